-- Counts jobs by how long they took, in the part of the last minute that it is now.
--
-- KEYS 1 delays
-- ARGV 1 seconds of a part  2 how many parts are kept  then name and number of jobs in turn
-- Reply: 1.
--
-- Parts are numbered by this server's clock, so that workers on hosts whose clocks differ count in the same one. Those
-- that are too old go, and so do those of a time to come, which a clock that was put back leaves.
local delays = KEYS[1]
local part, kept = math.floor(redis.call('TIME')[1] / ARGV[1]), tonumber(ARGV[2])
local new = false
for at = 3, #ARGV, 2 do
  local jobs = redis.call('HINCRBY', delays, string.format('%.0f:%s', part, ARGV[at]), ARGV[at + 1])
  new = new or jobs == tonumber(ARGV[at + 1])
end
for _, field in ipairs(new and redis.call('HKEYS', delays) or {}) do
  local of = tonumber(string.match(field, '^%d+') or '0')
  if of > part or of <= part - kept then redis.call('HDEL', delays, field) end
end
redis.call('EXPIRE', delays, ARGV[1] * kept)
return 1

-- Reads, in one instant, all that the audit of a queue adds up.
--
-- KEYS 1 totals  2 claims (the index)  3 queue  4 suspects  5 dead  6 paused
-- ARGV 1 prefix of claim lists
-- Reply: { totals as a flat list, waiting, suspects, dead letters, paused, oldest claim in ms, now in ms,
--          field, jobs, field, jobs, ... } for each open claim; sequence number 0 is a landing list.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local reply = {
  redis.call('HGETALL', KEYS[1]), redis.call('LLEN', KEYS[3]), redis.call('LLEN', KEYS[4]),
  redis.call('LLEN', KEYS[5]), redis.call('EXISTS', KEYS[6]), 0, now,
}
local entries = redis.call('HGETALL', KEYS[2])
for at = 1, #entries, 2 do
  if string.find(entries[at], ':', 1, true) then
    local jobs = redis.call('LLEN', ARGV[1] .. entries[at])
    local since = tonumber(string.match(entries[at + 1], '^%d+'))
    if jobs > 0 and (reply[6] == 0 or since < reply[6]) then reply[6] = since end
    reply[#reply + 1] = entries[at]
    reply[#reply + 1] = jobs
  end
end
return reply

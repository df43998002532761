-- Ends a claim whose outcome is committed: publishes its rows, keeps its dead letters, deletes its list.
--
-- KEYS 1 claim list  2 claims (the index)  3 dead  4 totals  5 queue
-- ARGV 1 field "<worker>:<seq>"  2 jobs  3 inserted  4 duplicate  5 rows  6 dead  then the dead letters, then the
--      events in groups: a channel, the number of its payloads, the payloads
-- Reply: 1, or 0 when somebody has settled it before.
--
-- Promise: does nothing unless the claim list exists; so every event is published once, by whoever comes first.
-- A job that reached the list after the claim was read (a move that came late) is not in the outcome: it goes back.
local claim, index, dead, totals, queue = unpack(KEYS)
local field, jobs, letters = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[6])
-- A key of a wrong type must stop the script here, not halfway.
for _, list in ipairs({ claim, dead, queue }) do redis.call('LLEN', list) end
for _, hash in ipairs({ index, totals }) do redis.call('HLEN', hash) end

redis.call('HDEL', index, field)
local length = redis.call('LLEN', claim)
if length == 0 then return 0 end

for _ = jobs + 1, length do
  redis.call('RPUSH', queue, redis.call('RPOP', claim))
  redis.call('HINCRBY', totals, 'handed_back', 1)
end
redis.call('DEL', claim)
for at = 7, 6 + letters do redis.call('LPUSH', dead, ARGV[at]) end
redis.call('HINCRBY', totals, 'inserted', ARGV[3])
redis.call('HINCRBY', totals, 'duplicate', ARGV[4])
redis.call('HINCRBY', totals, 'rows', ARGV[5])
redis.call('HINCRBY', totals, 'dead', letters)
local at = 7 + letters
while at < #ARGV do
  local channel, last = ARGV[at], at + 1 + tonumber(ARGV[at + 1])
  for payload = at + 2, last do redis.call('PUBLISH', channel, ARGV[payload]) end
  at = last + 1
end
return 1

-- Ends a claim that was never committed: its jobs go back, in order, to the end they are taken from.
--
-- KEYS 1 claim list  2 claims (the index)  3 queue  4 suspects  5 totals
-- ARGV 1 field "<worker>:<seq>"  2 "crashed", or "nobody" when no crash is to blame
-- Reply: the number of jobs handed back.
--
-- Promise: does nothing unless the claim list exists. After a crash every job becomes a suspect with one crash more;
-- a suspect that nobody is to blame for stays one.
local claim, index, queue, suspects, totals = unpack(KEYS)
-- A key of a wrong type must stop the script here, not halfway.
for _, list in ipairs({ claim, queue, suspects }) do redis.call('LLEN', list) end
redis.call('HLEN', totals)
local entry = redis.call('HGET', index, ARGV[1])
local crashes = entry and tonumber(string.match(entry, '^%d+:(%d+)')) or 0
if ARGV[2] == 'crashed' then crashes = crashes + 1 end
local count = 0
while true do
  local job = redis.call('RPOP', claim)
  if not job then break end
  if crashes > 0 then
    redis.call('RPUSH', suspects, crashes .. ' ' .. job)
  else
    redis.call('RPUSH', queue, job)
  end
  count = count + 1
end
redis.call('HDEL', index, ARGV[1])
if count > 0 then redis.call('HINCRBY', totals, 'handed_back', count) end
return count

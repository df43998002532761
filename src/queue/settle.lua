-- Ends a claim whose outcome is committed: publishes its rows, keeps its dead letters, deletes its list.
--
-- KEYS 1 claim list  2 claims (the index)  3 dead  4 totals  5 queue  6 highest id
-- ARGV 1 field "<worker>:<seq>"  2 jobs  3 inserted  4 duplicate  5 rows  6 table  7 lowest and  8 highest counted id,
--      both empty without any  9 dead  then the dead letters, then the events in groups: a channel, the number of its
--      payloads, the payloads
-- Reply: 1, or 0 when somebody has settled it before.
--
-- Promise: does nothing unless the claim list exists; so every event is published once, by whoever comes first.
-- A job that reached the list after the claim was read (a move that came late) is not in the outcome: it goes back.
local claim, index, dead, totals, queue, highest = unpack(KEYS)
local field, jobs, letters = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[9])
-- A key of a wrong type must stop the script here, not halfway.
for _, list in ipairs({ claim, dead, queue }) do redis.call('LLEN', list) end
for _, hash in ipairs({ index, totals }) do redis.call('HLEN', hash) end

local settled, of = string.match(redis.call('GET', highest) or '', '^(%d+) (.*)$')

local entry = redis.call('HGET', index, field)
redis.call('HDEL', index, field)
local length = redis.call('LLEN', claim)
if length == 0 then return 0 end

for _ = jobs + 1, length do
  redis.call('RPUSH', queue, redis.call('RPOP', claim))
  redis.call('HINCRBY', totals, 'handed_back', 1)
end
redis.call('DEL', claim)

-- Ids go up to 2^64, and Lua's numbers are exact up to 2^53: they are compared as digits.
local function above(one, other) return #one > #other or (#one == #other and one > other) end
local table, first, last = ARGV[6], ARGV[7], ARGV[8]
if last ~= '' then
  local low = entry and string.match(entry, '^%d+:%d+:(%d+)') or '0'
  -- Ids that are not above what was settled when the claim was made are counted anew: the table was emptied. What
  -- was settled before says nothing any more, neither of the rows of the other claims that are open.
  local anew = of == table and not above(first, low)
  if anew then
    redis.call('HINCRBY', totals, 'anew', 1)
    local entries = redis.call('HGETALL', index)
    for at = 1, #entries, 2 do
      local made, crashes = string.match(entries[at + 1], '^(%d+):(%d+):%d+$')
      if made then redis.call('HSET', index, entries[at], made .. ':' .. crashes .. ':0') end
    end
  end
  if of ~= table or anew or above(last, settled) then
    redis.call('SET', highest, last .. ' ' .. table)
  end
end

for at = 10, 9 + letters do redis.call('LPUSH', dead, ARGV[at]) end
redis.call('HINCRBY', totals, 'inserted', ARGV[3])
redis.call('HINCRBY', totals, 'duplicate', ARGV[4])
redis.call('HINCRBY', totals, 'rows', ARGV[5])
redis.call('HINCRBY', totals, 'dead', letters)
local at = 10 + letters
while at < #ARGV do
  local channel, last = ARGV[at], at + 1 + tonumber(ARGV[at + 1])
  for payload = at + 2, last do redis.call('PUBLISH', channel, ARGV[payload]) end
  at = last + 1
end
return 1

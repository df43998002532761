-- Tells, on a channel, up to which id all rows of a queue are published.
--
-- KEYS 1 claims (the index)  2 highest id  3 totals
-- ARGV 1 table  2 channel  3 what the message begins with
-- Reply: 1. The message: what it begins with, the highest id that was settled, the lowest of those that the open claims
-- were made at, and how often it was seen that ids are counted anew, each after a space; `-` where there is none.
--
-- Promise: the message comes on a connection after the events of all rows up to the lower of the two numbers. A claim
-- that is open may hold rows above the id that it was made at, and none below.
local settled, of = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+) (.*)$')
local highest = of == ARGV[1] and settled or '-'
local lowest = '-'
local entries = redis.call('HGETALL', KEYS[1])
for at = 1, #entries, 2 do
  local seq = string.match(entries[at], ':(%d+)$')
  if seq and seq ~= '0' then
    local low = string.match(entries[at + 1], '^%d+:%d+:(%d+)') or '0'
    if lowest == '-' or #low < #lowest or (#low == #lowest and low < lowest) then lowest = low end
  end
end
local anew = redis.call('HGET', KEYS[3], 'anew') or '-'
redis.call('PUBLISH', ARGV[2], ARGV[3] .. ' ' .. highest .. ' ' .. lowest .. ' ' .. anew)
return 1

-- Writes down what has happened to a supervisor's children, and publishes it.
--
-- KEYS 1 history  2 how far it is of this supervisor
-- ARGV 1 how many entries the history keeps  2 milliseconds that both are kept
--      then for each entry: its number, its text, channel and payload of its message
-- Reply: 1.
--
-- An entry whose number is not above the last one of its supervisor was written before, by a child that could not say
-- so any more: it is left out. So each is written and published once, whoever is asked to write it again.
local far = tonumber(redis.call('GET', KEYS[2]) or 0)
for at = 3, #ARGV, 4 do
  local number = tonumber(ARGV[at])
  if number > far then
    redis.call('LPUSH', KEYS[1], ARGV[at + 1])
    -- Who may not publish writes it down all the same, and once.
    redis.pcall('PUBLISH', ARGV[at + 2], ARGV[at + 3])
    far = number
  end
end
redis.call('LTRIM', KEYS[1], 0, ARGV[1] - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], string.format('%.0f', far), 'PX', ARGV[2])
return 1

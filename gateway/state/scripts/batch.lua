-- One batch of calls, decided and written in one step: the whole of a round trip.
--
-- Rules of this file:
-- - Everything is read and decided first and written last, the answer before all else. The first
--   write is one that a server without memory, a replica or a missing permission refuses, so that
--   a batch is carried out whole or not at all.
-- - A batch that comes a second time (its answer was lost) gets the answer of the first time. One
--   that comes after a later batch of its sender was given up by it and does nothing.
-- - A server that lost its latest writes (a failover) does nothing for a sender before that has
--   brought back its own: it answers [number] with the sender's latest batch that it knows.
-- - Keys of counters are computed here. All have the hash tag of KEYS, so they lie in its slot.
--
-- KEYS: done (of this sender), serial, leases (sorted by expiry), held (what a lease holds)
-- ARGV: prefix of counters, number of the batch, number of this sender's latest batch that the
--       server must know, microseconds of a lease, 1 to report claims, microseconds of unix time or
--       '' for the server's own, then one call each, as JSON:
--       ["a", lease, claims] ["s", lease, amounts] ["u", lease] ["r", leases] ["p", key] ["t"] ["n"]
--       ["b", lease, claims, microseconds left, amounts or null]
-- The answer is JSON: [now, number of this sender's latest batch, [expired ...], [answers ...]]

local DONE_FOR = '900000'  -- milliseconds that an answer is kept, and that a lease ran out
local SLACK = 60000  -- milliseconds that a counter outlives its end, which itself is checked
local SWEPT_AT_ONCE = 256
local LONGEST_LIFE = 100000000000000  -- milliseconds; Redis adds the present time to it
local WORDS = '^' .. string.rep('(%d+) ', 8) .. '(%d+)(.*)$'

local done, serial_key, leases_key, held_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local prefix, number, lease_time, reports = ARGV[1], ARGV[2], tonumber(ARGV[4]), ARGV[5] == '1'

local last, before = '0', redis.call('GET', done)
if before then
  local answer
  last, answer = string.match(before, '^(%d+)\n(.*)$')
  if last == number then return answer end
  if tonumber(last) > tonumber(number) then
    return redis.error_reply('PORTCULLIS this batch was given up by its sender')
  end
end
if tonumber(last) < tonumber(ARGV[3]) then return '[' .. last .. ']' end

local now = tonumber(ARGV[6])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

-- --- what is known in this batch ---

local book = {counters = {}, dirty = {}, order = {}}

function book.mark(key)
  if not book.dirty[key] then
    book.dirty[key] = true
    book.order[#book.order + 1] = key
  end
end

function book.load(key)
  local counter = book.counters[key]
  if counter then return counter end
  local packed = redis.call('GET', prefix .. key)
  if not packed then return nil end
  local used, reserved, at, rest, expires, limit, units, seconds, rolling, slots =
    string.match(packed, WORDS)
  if not used then error('PORTCULLIS a counter is not what this version writes') end
  counter = {
    used = read(used), reserved = read(reserved), at = tonumber(at), rest = tonumber(rest),
    expires = read(expires), limit = read(limit), units = tonumber(units),
    seconds = tonumber(seconds), rolling = tonumber(rolling),
  }
  book.counters[key] = counter
  -- What time alone has changed a refused call must leave behind, too.
  if counter.rolling > 0 then
    counter.slots = {}
    for word in string.gmatch(slots, '%d+') do counter.slots[#counter.slots + 1] = read(word) end
    if roll(counter, now) then book.mark(key) end
  elseif counter.units > 0 and counter.at > now then
    counter.at = now  -- the clock was set back
    book.mark(key)
  end
  return counter
end

local serial = tonumber(redis.call('GET', serial_key) or 0)
local first_serial = serial
local admitted, ends, over, ran_out = {}, {}, {}, {}

local function next_serial()
  serial = serial + 1
  return string.format('%.0f', serial)
end

-- What a lease that has not run out holds, as it was asked for, or nil; and without that, whether
-- it is known to be over. (The latter may miss one that was settled; its holder knows that.)
local function held(lease)
  if over[lease] then return nil, true end
  if admitted[lease] then return admitted[lease] end
  local until_ = ends[lease] or tonumber(redis.call('ZSCORE', leases_key, lease) or 0)
  if until_ > now then return redis.call('HGET', held_key, lease) or nil end
  return nil, until_ > 0 or redis.call('GET', leases_key .. ':' .. lease) ~= false
end

local function finish(lease, asked, claims, amounts)
  over[lease] = true
  local levels = settle(book, claims, amounts, now)
  local answer = '[' .. next_serial() .. ',' .. levels
  if reports then answer = answer .. ',' .. asked end
  return answer .. ']'
end

-- --- the calls ---

local calls = {}

function calls.a(call, asked)
  local lease = call[2]
  local taken, answer = admit(book, call[3], now)
  if taken then admitted[lease], ends[lease] = asked, now + lease_time end
  return '[' .. next_serial() .. ',' .. answer .. ']'
end

function calls.s(call)
  local lease, amounts = call[2], call[3]
  local asked, known = held(lease)
  if not asked then return known and '[]' or 'null' end
  local claims = cjson.decode(asked)[3]
  if #claims ~= #amounts then return '[' .. #claims .. ']' end
  return finish(lease, asked, claims, amounts)
end

-- Give back all that an admission took whose caller has gone.
function calls.u(call)
  local asked = held(call[2])
  if not asked then return '[]' end
  local claims, nothing = cjson.decode(asked)[3], {}
  for i = 1, #claims do nothing[i] = 0 end
  return finish(call[2], asked, claims, nothing)
end

-- The places in the call of leases that are not known.
function calls.r(call)
  local unknown = {}
  for i, lease in ipairs(call[2]) do
    local asked, known = held(lease)
    if asked then
      ends[lease] = now + lease_time
    elseif not known then
      unknown[#unknown + 1] = i - 1
    end
  end
  return '[' .. table.concat(unknown, ',') .. ']'
end

-- Bring back a lease that its holder had, and settle it where there are amounts. The answer is
-- [serial of bringing it back or null, what settling it gave], or [] where it ran out.
function calls.b(call, asked_again)
  local lease, amounts = call[2], call[5]
  local asked, known = held(lease)
  if known then return '[]' end
  local answer = '[null'
  if not asked then
    asked = asked_again
    retake(book, call[3], now)
    admitted[lease], ends[lease] = asked, now + call[4]
    answer = '[' .. next_serial()
  elseif amounts == cjson.null then
    local until_ = ends[lease] or tonumber(redis.call('ZSCORE', leases_key, lease))
    ends[lease] = math.max(until_, now + call[4])
  end
  if amounts ~= cjson.null then
    answer = answer .. ',' .. finish(lease, asked, call[3], amounts)
  end
  return answer .. ']'
end

-- Nothing: in the place of a call that shall have no effect any more.
function calls.n()
  return 'null'
end

function calls.p(call)
  local counter = book.load(call[2])
  if not counter or forgotten(counter, now) then return 'null' end
  if counter.units > 0 then refill(counter, now) end
  return level(counter)
end

-- Do every kind of write once, so that what is forbidden is known before it matters.
local trying = false
function calls.t()
  trying = true
  return '[]'
end

-- --- leases that ran out, then the calls ---

local expired, answers = {}, {}
local late = redis.call(
  'ZRANGEBYSCORE', leases_key, '-inf', string.format('%.0f', now), 'LIMIT', '0', SWEPT_AT_ONCE)
for _, lease in ipairs(late) do
  local asked = redis.call('HGET', held_key, lease)
  over[lease], ran_out[#ran_out + 1] = true, lease
  if asked then
    expired[#expired + 1] = finish(lease, asked, cjson.decode(asked)[3], nil)
  end
end
for i = 7, #ARGV do
  local call = cjson.decode(ARGV[i])
  answers[#answers + 1] = calls[call[1]](call, ARGV[i])
end
local some = serial ~= first_serial or next(ends) ~= nil or #book.order > 0 or #late > 0 or trying
local answer = '[' .. string.format('%.0f', now) .. ',' .. (some and number or last) .. ',['
  .. table.concat(expired, ',') .. '],[' .. table.concat(answers, ',') .. ']]'

-- --- writing ---

local function write_counter(key)
  local counter = book.counters[key]
  local life
  if counter.expires ~= 0 and sign(counter.reserved) == 0 then
    if not more(counter.expires, now) then
      redis.call('DEL', prefix .. key)
      return
    end
    life = add(ceildiv(sub(counter.expires, now), 1000), SLACK)
  end
  local words = {
    text(least(WIDEST, counter.used)), text(least(WIDEST, counter.reserved)), text(counter.at),
    text(counter.rest), text(least(WIDEST, counter.expires)), text(counter.limit),
    text(counter.units), text(counter.seconds), text(counter.rolling),
  }
  for _, word in ipairs(counter.slots or {}) do words[#words + 1] = text(word) end
  local packed = table.concat(words, ' ')
  if life then
    redis.call('SET', prefix .. key, packed, 'PX', text(least(LONGEST_LIFE, life)))
  else
    redis.call('SET', prefix .. key, packed)
  end
end

if not some then return answer end
redis.call('SET', done, number .. '\n' .. answer, 'PX', DONE_FOR)
if serial ~= first_serial then redis.call('SET', serial_key, string.format('%.0f', serial)) end
if trying then
  redis.call('SET', prefix .. '?', '', 'PX', SLACK)
  redis.call('DEL', prefix .. '?')
  redis.call('HSET', held_key, '?', '')
  redis.call('HDEL', held_key, '?')
  redis.call('ZADD', leases_key, '0', '?')
  redis.call('ZREM', leases_key, '?')
end
for _, key in ipairs(book.order) do write_counter(key) end
for lease, until_ in pairs(ends) do
  if not over[lease] then
    if admitted[lease] then redis.call('HSET', held_key, lease, admitted[lease]) end
    redis.call('ZADD', leases_key, string.format('%.0f', until_), lease)
  end
end
for _, lease in ipairs(ran_out) do
  redis.call('SET', leases_key .. ':' .. lease, '', 'PX', DONE_FOR)
end
for lease in pairs(over) do
  if not admitted[lease] then
    redis.call('ZREM', leases_key, lease)
    redis.call('HDEL', held_key, lease)
  end
end
return answer

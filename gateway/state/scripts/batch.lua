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
--       '' for the server's own, the shapes of claims one after the other, then one call each. As JSON:
--       ["a", lease, claims] ["s", lease, amounts] ["u", lease] ["r", leases] ["p", key] ["t"] ["n"]
--       ["b", lease, claims, microseconds left, amounts or null]
--       Packed: 'a' or 's', how long the lease's name is, that, for each claim the place of its
--       shape, then what each takes, and for 's' then what each has used. An 's' names only claims
--       that change something.
-- The answer: how long it is as 4 bytes, JSON, and after that what was packed. The JSON:
--       [now, number of this sender's latest batch, [expired ...], [answers ...]], where 0 stands
--       for the next that is packed: a serial, and for each claim what is used and reserved.

local DONE_FOR = '900000'  -- milliseconds that an answer is kept, and that a lease ran out
local SLACK = 60000  -- milliseconds that a counter outlives its end, which itself is checked
local SWEPT_AT_ONCE = 256
local LONGEST_LIFE = 100000000000000  -- milliseconds; Redis adds the present time to it
local LIFE_STEP = 10000000  -- microseconds: lives of keys are rounded up to these
local FAR = 4503599627370496  -- 2^52 microseconds: an end beyond it is as good as this one
local AT_ONCE = 1000  -- words of one command: Lua's stack is not endless

local done, serial_key, leases_key, held_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local prefix, number, lease_time, reports = ARGV[1], ARGV[2], tonumber(ARGV[4]), ARGV[5] == '1'

local function framed(json, packed)
  return struct.pack('<I4', #json) .. json .. table.concat(packed)
end

local last, before = '0', redis.call('GET', done)
if before then
  last = string.match(before, '^%d+')
  if last == number then return string.sub(before, #last + 2) end
  if tonumber(last) > tonumber(number) then
    return redis.error_reply('PORTCULLIS this batch was given up by its sender')
  end
end
if tonumber(last) < tonumber(ARGV[3]) then return framed('[' .. last .. ']', {}) end

local now = tonumber(ARGV[6])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

-- --- what is known in this batch ---

local book = {counters = {}, order = {}, raw = {}}

function book.mark(counter)
  if not counter.dirty then
    counter.dirty = true
    book.order[#book.order + 1] = counter
  end
end

function book.keep(key, counter)
  counter.key = key
  book.counters[key] = counter
  return counter
end

function book.load(key)
  local counter = book.counters[key]
  if counter then return counter end
  local packed = book.raw[key]
  if packed == nil then packed = redis.call('GET', prefix .. key) end
  if not packed then return nil end
  counter = book.keep(key, unpack_counter(packed))
  -- What time alone has changed a refused call must leave behind, too.
  if counter.rolling > 0 then
    if roll(counter, now) then book.mark(counter) end
  elseif counter.units > 0 and counter.at > now then
    counter.at = now  -- the clock was set back
    book.mark(counter)
  end
  return counter
end

-- --- the shapes that came with it, and their counters, read at once ---

local shapes, first_call = {}, 8
do
  local bytes, at, count = ARGV[7], 1, 0
  while at <= #bytes do
    count = count + 1
    shapes[count], at = claim_of_shape(bytes, at)
  end
end
for first = 1, #shapes, AT_ONCE do
  local keys, final = {}, math.min(first + AT_ONCE - 1, #shapes)
  for i = first, final do keys[#keys + 1] = prefix .. shapes[i].key end
  for i, packed in ipairs(redis.call('MGET', unpack(keys))) do
    book.raw[shapes[first + i - 1].key] = packed
  end
end

local serial = tonumber(redis.call('GET', serial_key) or 0)
local first_serial = serial
local admitted, ends, over, ran_out = {}, {}, {}, {}
local packed_answers, scores = {}, {}

local function next_serial()
  serial = serial + 1
  return string.format('%.0f', serial)
end

local function score(lease)
  local known = scores[lease]
  if known == nil then known = tonumber(redis.call('ZSCORE', leases_key, lease) or 0) end
  return known
end

-- What a lease that has not run out holds, as it was asked for, or nil; and without that, whether
-- it is known to be over. (The latter may miss one that was settled; its holder knows that.)
local function held(lease)
  if over[lease] then return nil, true end
  if admitted[lease] then return admitted[lease] end
  local until_ = ends[lease] or score(lease)
  if until_ > now then return redis.call('HGET', held_key, lease) or nil end
  return nil, until_ > 0 or redis.call('GET', leases_key .. ':' .. lease) ~= false
end

-- How the counters of claims stand, as JSON. `null` for those that nobody looked at.
local function levels_of(list, count)
  local levels = {}
  for i = 1, count do levels[i] = list[i].counter and level(list[i].counter) or 'null' end
  return '[' .. table.concat(levels, ',') .. ']'
end

local function finish(lease, asked, list, count)
  over[lease] = true
  settle(book, list, count, now)
  local answer = '[' .. next_serial() .. ',' .. levels_of(list, count)
  if reports then answer = answer .. ',' .. string.format('%q', lease) .. ',' .. told_held(asked) end
  return answer .. ']'
end

-- --- the calls ---

local calls = {}

local function answer_admit(lease, asked, list, count, refusal, would)
  if not refusal then admitted[lease], ends[lease] = asked, now + lease_time end
  return '[' .. next_serial() .. ',' .. levels_of(list, count) .. ',' .. (refusal or 'null')
    .. ',[' .. table.concat(would or {}, ',') .. ']]'
end

function calls.a(call, asked)
  local list, count = claims_of_json(call[3])
  local refusal, would = admit(book, list, count, now)
  return answer_admit(call[2], asked, list, count, refusal, would)
end

function calls.s(call)
  local lease, amounts = call[2], call[3]
  local asked, known = held(lease)
  if not asked then return known and '[]' or 'null' end
  local list, count = claims_of_held(asked)
  if count ~= #amounts then return '[' .. count .. ']' end
  for i = 1, count do list[2 * count + i] = read(amounts[i]) end
  return finish(lease, asked, list, count)
end

-- --- the same, packed ---

local packed_calls = {}
local formats = {[97] = {}, [115] = {}}  -- by 'a' and 's', then by the number of claims

-- The lease, the list of claims and one or two numbers for each, the number of claims, and where in
-- the call the numbers begin.
local function read_packed(kind, call)
  local size = string.byte(call, 2)
  local from, width = 3 + size, kind == 97 and 12 or 20
  local count = (#call - 2 - size) / width
  local format = formats[kind][count]
  if not format then
    format = '<' .. string.rep('I4', count) .. string.rep('d', count * (width - 4) / 8)
    formats[kind][count] = format
  end
  local list = {struct.unpack(format, call, from)}
  for i = 1, count do list[i] = shapes[list[i] + 1] end
  return string.sub(call, 3, 2 + size), list, count, from + 4 * count
end

-- The answer packed, or as JSON where a number needs that.
local levels_format, numbers, ceil = {}, {}, math.ceil
local function answer_packed(list, count)
  for i = 1, count do
    local counter = list[i].counter
    if not counter.plain then return nil end
    if counter.units > 0 then
      numbers[2 * i - 1], numbers[2 * i] = ceil(counter.used / MICRO), 0
    else
      numbers[2 * i - 1], numbers[2 * i] = counter.used, counter.reserved
    end
  end
  local format = levels_format[count]
  if not format then
    format = '<I8' .. string.rep('I8I8', count)
    levels_format[count] = format
  end
  serial = serial + 1
  packed_answers[#packed_answers + 1] = struct.pack(
    format, serial, unpack(numbers, 1, 2 * count))
  return '0'
end

packed_calls[97] = function(call)
  local lease, list, count, from = read_packed(97, call)
  local refusal, would = admit(book, list, count, now)
  local asked
  if not refusal then asked = pack_held(list, count, string.sub(call, from)) end
  if not refusal and not would then
    local answer = answer_packed(list, count)
    if answer then
      admitted[lease], ends[lease] = asked, now + lease_time
      return answer
    end
  end
  return answer_admit(lease, asked, list, count, refusal, would)
end

packed_calls[115] = function(call)
  local lease, list, count = read_packed(115, call)
  if over[lease] then return '[]' end
  if (ends[lease] or score(lease)) <= now then
    local _, known = held(lease)
    return known and '[]' or 'null'
  end
  over[lease] = true
  settle(book, list, count, now)
  return answer_packed(list, count) or '[' .. next_serial() .. ',' .. levels_of(list, count) .. ']'
end

-- Give back all that an admission took whose caller has gone.
function calls.u(call)
  local asked = held(call[2])
  if not asked then return '[]' end
  local list, count = claims_of_held(asked)
  for i = 1, count do list[2 * count + i] = 0 end
  return finish(call[2], asked, list, count)
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
  local list, count = claims_of_json(call[3])
  local asked, known = held(lease)
  if known then return '[]' end
  local answer = '[null'
  if not asked then
    asked = asked_again
    retake(book, list, count, now)
    admitted[lease], ends[lease] = asked, now + call[4]
    answer = '[' .. next_serial()
  elseif amounts == cjson.null then
    local until_ = ends[lease] or score(lease)
    ends[lease] = math.max(until_, now + call[4])
  end
  if amounts ~= cjson.null then
    for i = 1, count do list[2 * count + i] = read(amounts[i]) end
    answer = answer .. ',' .. finish(lease, asked, list, count)
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
-- What was settled or renewed in time, and is brought back, does not run out.
local in_time = {}
for i = first_call, #ARGV do
  if string.sub(ARGV[i], 1, 4) == '["b"' then
    local call = cjson.decode(ARGV[i])
    in_time[call[2]] = math.max(1, call[4])
  end
end
for _, lease in ipairs(late) do
  if in_time[lease] then
    ends[lease] = now + in_time[lease]
  else
    local asked = redis.call('HGET', held_key, lease)
    over[lease], ran_out[#ran_out + 1] = true, lease
    if asked then
      local list, count = claims_of_held(asked)
      for i = 1, count do list[2 * count + i] = list[count + i] end
      expired[#expired + 1] = finish(lease, asked, list, count)
    end
  end
end
-- When the leases of all that settles run out, at once.
local names = {}
for i = first_call, #ARGV do
  if string.byte(ARGV[i]) == 115 then
    names[#names + 1] = string.sub(ARGV[i], 3, 2 + string.byte(ARGV[i], 2))
  end
end
if #names > 0 then
  for i, until_ in ipairs(redis.call('ZMSCORE', leases_key, unpack(names))) do
    scores[names[i]] = tonumber(until_ or 0)
  end
end
for i = first_call, #ARGV do
  local asked = ARGV[i]
  local kind = string.byte(asked)
  if packed_calls[kind] then
    answers[#answers + 1] = packed_calls[kind](asked)
  else
    local call = cjson.decode(asked)
    answers[#answers + 1] = calls[call[1]](call, asked)
  end
end
local some = serial ~= first_serial or next(ends) ~= nil or #book.order > 0 or #late > 0 or trying
local answer = '[' .. string.format('%.0f', now) .. ',' .. (some and number or last) .. ',['
  .. table.concat(expired, ',') .. '],[' .. table.concat(answers, ',') .. ']]'
answer = framed(answer, packed_answers)

-- --- writing ---

-- Milliseconds that a key has from now, as text. In steps, so that few texts have to be made.
local lives = {}
local function life_until(moment)
  local step = ceil((moment - now) / LIFE_STEP)
  local life = lives[step]
  if not life then
    life = string.format('%.0f', math.min(LONGEST_LIFE, step * LIFE_STEP / 1000 + SLACK))
    lives[step] = life
  end
  return life
end

local lasting = {}  -- keys without an end, and what they hold: written together
local function write_counter(counter)
  local key = prefix .. counter.key
  local expires = counter.expires
  if counter.units > 0 then
    expires = full_at(counter, now)
    counter.expires = expires
  end
  if counter.reserved == 0 and type(expires) == 'number' and expires > now then  -- nearly always
    redis.call('SET', key, pack_counter(counter), 'PX', life_until(expires))
  elseif expires == 0 or sign(counter.reserved) ~= 0 then
    lasting[#lasting + 1] = key
    lasting[#lasting + 1] = pack_counter(counter)
  elseif more(expires, now) then
    expires = tonumber(text(least(FAR, expires)))
    redis.call('SET', key, pack_counter(counter), 'PX', life_until(expires))
  else
    redis.call('DEL', key)
  end
end

local function write_counters()
  for _, counter in ipairs(book.order) do write_counter(counter) end
  for first = 1, #lasting, AT_ONCE do
    redis.call('MSET', unpack(lasting, first, math.min(first + AT_ONCE - 1, #lasting)))
  end
end

-- One command for many words, so many at a time; `words` come in groups.
local function tell(command, key, words)
  for first = 1, #words, AT_ONCE do
    redis.call(command, key, unpack(words, first, math.min(first + AT_ONCE - 1, #words)))
  end
end

if not some then return answer end
redis.call('SET', done, number .. '\n' .. answer, 'PX', DONE_FOR)
if serial ~= first_serial then redis.call('SET', serial_key, string.format('%.0f', serial)) end
if trying then
  redis.call('MSET', prefix .. '?', '')
  redis.call('SET', prefix .. '?', '', 'PX', SLACK)
  redis.call('DEL', prefix .. '?')
  redis.call('HSET', held_key, '?', '')
  redis.call('HDEL', held_key, '?')
  redis.call('ZADD', leases_key, '0', '?')
  redis.call('MGET', prefix .. '?')
  redis.call('ZMSCORE', leases_key, '?')
  redis.call('ZREM', leases_key, '?')
end
write_counters()
local kept, until_when, gone = {}, {}, {}
local latest = string.format('%.0f', now + lease_time)
for lease, until_ in pairs(ends) do
  if not over[lease] then
    if admitted[lease] then
      kept[#kept + 1] = lease
      kept[#kept + 1] = admitted[lease]
    end
    until_when[#until_when + 1] =
      until_ == now + lease_time and latest or string.format('%.0f', until_)
    until_when[#until_when + 1] = lease
  end
end
tell('HSET', held_key, kept)
tell('ZADD', leases_key, until_when)
for _, lease in ipairs(ran_out) do
  redis.call('SET', leases_key .. ':' .. lease, '', 'PX', DONE_FOR)
end
for lease in pairs(over) do
  if not admitted[lease] then gone[#gone + 1] = lease end
end
tell('ZREM', leases_key, gone)
tell('HDEL', held_key, gone)
return answer

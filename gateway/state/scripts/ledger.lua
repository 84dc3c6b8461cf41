-- The arithmetic of buckets and budgets, as `gateway/state/ledger.py` has it, line by line: what
-- each step is for, and why, stands there. Here is no I/O either; `load` is given.
--
-- Rules of this file:
-- - A claim or a counter is `plain` where all its numbers are so small that sums of a few stay
--   exact in doubles. Where both are, `admit` and `settle` count with the machine's own
--   operators; everywhere else with those of `exact.lua`, which come to the same.
-- - A counter is made ready once for each claim of a batch that looks at it, because in a batch no
--   time passes; again where another claim looked in between, or where it was over.

local MICRO = 1000000
local PARTS = 60
local LONG_AGO = 1
local SAFE = 1125899906842624  -- 2^50
local MOST = read('4611686018427387904')  -- 2^62
local NO_LIMIT = bytes_of(0)
local WIDEST = read('9223372036854775807')  -- what is told and written, as in 64 bits

-- The limit as bytes, and as a double, which is rounded where it is larger than any sum of a plain
-- counter. Units 0 for a budget, expires in microseconds, -1 for never, rolling in seconds, -1 for a
-- place that is lent. `shape` is its packed form, where it came in one.
local function new_claim(key, limit, room, units, seconds, expires, shadow, rolling, shape)
  return {
    key = key, limit = limit, room = room, units = units, seconds = seconds, expires = expires,
    shadow = shadow, rolling = rolling, shape = shape, plain = shape and rolling <= 0,
    most = units > 0 and SAFE / MICRO or SAFE,
  }
end

local function forgotten(counter, now)
  return counter.expires ~= 0 and not more(counter.expires, now) and sign(counter.reserved) == 0
end

-- How a counter stands: what is used, what is reserved.
local function standing(counter)
  if counter.units > 0 then
    if counter.plain then return math.ceil(counter.used / MICRO), 0 end
    return ceildiv(counter.used, MICRO), 0
  end
  return counter.used, counter.reserved
end

local function level(counter)
  local used, reserved = standing(counter)
  return '[' .. text(least(WIDEST, used)) .. ',' .. text(least(WIDEST, reserved))
    .. ',' .. text(whole(counter.limit)) .. ']'
end

local function refill(counter, now)
  local elapsed = now - counter.at
  counter.at = now
  if elapsed <= 0 or sign(counter.used) == 0 then
    if sign(counter.used) == 0 then counter.rest = 0 end
    return
  end
  local product = elapsed * counter.units + counter.rest
  if counter.plain and product < EXACT then
    local rest = math.fmod(product, counter.seconds)
    local used = counter.used - (product - rest) / counter.seconds
    if used > 0 then
      counter.used, counter.rest = used, rest
    else
      counter.used, counter.rest = 0, 0
    end
    return
  end
  local gained, rest = divmod(add(mul(elapsed, counter.units), counter.rest), counter.seconds)
  counter.used, counter.rest = sub(counter.used, gained), rest
  if sign(counter.used) <= 0 then counter.used, counter.rest = 0, 0 end
end

local function time_to_gain(counter, millionths)
  local lacking = sub(mul(millionths, counter.seconds), counter.rest)
  if sign(lacking) <= 0 then return 0 end
  return ceildiv(lacking, counter.units)
end

-- Slots of a rolling budget are a list: number, amount, number, amount ... in order.

local function slot_width(rolling)
  return math.ceil(rolling / PARTS) * MICRO
end

local function slot_at(moment, width)
  return math.floor(moment / width)
end

-- Whether anything has changed.
local function roll(counter, now)
  local slots, width = counter.slots, slot_width(counter.rolling)
  local count = #slots
  if count == 0 then return false end
  local present, oldest = slot_at(now, width), slot_at(now - counter.rolling * MICRO, width)
  if slots[1] >= oldest and slots[count - 1] <= present then return false end
  local kept, used, last = {}, 0, 0
  for i = 1, count, 2 do
    local number, amount = slots[i], slots[i + 1]
    if number >= oldest then
      used = add(used, amount)
      if number >= present then
        last = add(last, amount)
      else
        kept[#kept + 1] = number
        kept[#kept + 1] = amount
      end
    end
  end
  if sign(last) > 0 then
    kept[#kept + 1] = present
    kept[#kept + 1] = last
  end
  counter.used, counter.slots = used, kept
  return true
end

local function put(counter, amount, now)
  if sign(amount) == 0 then return end
  local slots, present = counter.slots, slot_at(now, slot_width(counter.rolling))
  local count = #slots
  if count > 0 and slots[count - 1] == present then
    slots[count] = add(slots[count], amount)
  else
    slots[count + 1], slots[count + 2] = present, amount
  end
end

local function leaves(number, rolling)
  return (number + 1) * slot_width(rolling) + rolling * MICRO
end

local function time_to_leave(counter, amount, now)
  local slots = counter.slots
  if not slots then return 0 end
  for i = 1, #slots, 2 do
    amount = sub(amount, slots[i + 1])
    if sign(amount) <= 0 then return leaves(slots[i], counter.rolling) - now end
  end
  return 0
end

local function change_window(counter, rolling, now)
  counter.rolling, counter.slots = rolling, nil
  if rolling > 0 then
    counter.slots = {}
    put(counter, counter.used, now)
  end
end

-- Begin anew in place, for claims keep their counters.
local function clear(counter, now)
  counter.used, counter.reserved, counter.at, counter.rest, counter.expires = 0, 0, now, 0, 0
  counter.limit, counter.units, counter.seconds = NO_LIMIT, 0, 1
  counter.rolling, counter.slots, counter.plain = 0, nil, true
  return counter
end

-- The counter of a claim, made or begun anew where need be, refilled, with its new limit.
local function ready(book, claim, now)
  local counter = claim.counter
  if not counter then
    counter = book.load(claim.key) or book.keep(claim.key, clear({}, now))
    claim.counter = counter
  end
  if forgotten(counter, now) then clear(counter, now) end
  counter.claim, counter.limit = claim, claim.limit
  if claim.units > 0 then
    if claim.seconds ~= counter.seconds then counter.rest = 0 end
    counter.units, counter.seconds = claim.units, claim.seconds
    refill(counter, now)
  else
    local rolling = math.max(0, claim.rolling)
    if rolling ~= counter.rolling then
      change_window(counter, rolling, now)
    elseif rolling > 0 then
      roll(counter, now)
    end
  end
  return counter
end

-- Whether a counter is as `ready` would leave it, but for a bucket that is full again.
local function is_ready(counter, claim, now)
  return counter and counter.claim == claim and counter.plain
    and (counter.expires == 0 or counter.expires > now or counter.reserved > 0)
end

-- Why a claim does not fit, as JSON, or nil.
local function misfit(counter, claim, amount, index, now)
  local limit = whole(counter.limit)
  if claim.units == 0 then
    local spent = add(counter.used, amount)
    if more(spent, limit) then
      return '[' .. index .. ',"spent",' .. text(time_to_leave(counter, sub(spent, limit), now)) .. ']'
    end
    if more(add(spent, counter.reserved), limit) then return '[' .. index .. ',"reserved",1000000]' end
    return nil
  end
  local lacking = add(counter.used, mul(sub(amount, limit), MICRO))
  if sign(lacking) <= 0 then return nil end
  local wait = time_to_gain(counter, least(lacking, counter.used))
  return '[' .. index .. ',"rate","' .. text(wait) .. '"]'
end

local function is_safe(value)
  return type(value) == 'number' and value < SAFE
end

local function take(counter, claim, amount)
  if claim.units == 0 then
    counter.reserved = add(counter.reserved, amount)
  else
    counter.used = add(counter.used, mul(amount, MICRO))
  end
  counter.plain = is_safe(counter.used) and is_safe(counter.reserved)
end

local function untake(counter, claim, amount)
  if claim.units == 0 then
    counter.reserved = sub(counter.reserved, amount)
  else
    counter.used = sub(counter.used, mul(amount, MICRO))
  end
end

-- A bucket's end follows from how it stands when it is written.
local function remember(book, counter, claim)
  local expires = claim.expires
  if claim.units == 0 then
    if claim.rolling < 0 then
      counter.expires = LONG_AGO
    elseif counter.slots then
      local count = #counter.slots
      counter.expires = count == 0 and LONG_AGO or leaves(counter.slots[count - 1], counter.rolling)
    elseif expires == -1 then
      counter.expires = 0
    elseif more(expires, counter.expires) then
      counter.expires, counter.plain = expires, counter.plain and type(expires) == 'number'
    end
  end
  if not counter.dirty then book.mark(counter) end
end

local function full_at(counter, now)
  local lacking = counter.plain and counter.used * counter.seconds - counter.rest or EXACT
  if lacking < EXACT then
    if lacking <= 0 then return now + 1 end
    local rest = math.fmod(lacking, counter.units)
    return now + (lacking - rest) / counter.units + (rest > 0 and 2 or 1)
  end
  return add(add(time_to_gain(counter, counter.used), now), 1)
end

-- The claims of a call are a list: `count` claims, then what each takes, then (in a settlement) what
-- each has used. It is what a packed call is read into, so that no other table has to be made.

-- Take all, or nothing where one that is enforced does not fit: the first such, and the shadow
-- claims that would not have fitted (nil where none), as JSON.
local function admit(book, list, count, now)
  local refusal, refused_ones, would
  for i = 1, count do
    local claim, amount = list[i], list[count + i]
    local counter, units = claim.counter, claim.units
    -- As `is_ready` says; nearly always it is so, and a call costs as much as all of this.
    if not (counter and counter.claim == claim and counter.plain
      and (counter.expires == 0 or counter.expires > now or counter.reserved > 0)) then
      counter = ready(book, claim, now)
    end
    local plain = claim.plain and counter.plain and amount <= claim.most
    local after  -- what is taken then, where that fits
    if plain then
      if units == 0 then
        after = counter.reserved + amount
        if counter.used + after > claim.room then after = nil end
      -- What is beyond doubles on the right side is certainly more than what is on the left.
      elseif counter.used <= (claim.room - amount) * MICRO then
        after = counter.used + amount * MICRO
      end
    end
    local refused = not after and misfit(counter, claim, amount, i - 1, now)
    if refused and not claim.shadow then
      refusal, refused_ones = refusal or refused, refused_ones or {}
      refused_ones[i] = true
    else
      if refused then
        would = would or {}
        would[#would + 1] = refused
      end
      if not after then
        take(counter, claim, amount)
      elseif units == 0 then
        counter.reserved, counter.plain = after, after < SAFE
      else
        counter.used, counter.plain = after, after < SAFE
      end
    end
  end
  if refusal then
    for i = 1, count do
      if not refused_ones[i] then untake(list[i].counter, list[i], list[count + i]) end
    end
  else
    for i = 1, count do remember(book, list[i].counter, list[i]) end
  end
  return refusal, would
end

-- Take what was admitted once and was lost since, whatever the limits say now.
local function retake(book, list, count, now)
  for i = 1, count do
    local counter = ready(book, list[i], now)
    take(counter, list[i], list[count + i])
    remember(book, counter, list[i])
  end
end

local function settle_exactly(counter, claim, taken, amount, now)
  if claim.units == 0 then
    counter.reserved = positive(sub(counter.reserved, taken))
    if claim.rolling >= 0 then
      local before = counter.used
      counter.used = least(MOST, add(before, amount))
      if counter.slots then put(counter, sub(counter.used, before), now) end
    end
  else
    counter.used = least(MOST, positive(add(counter.used, mul(sub(amount, taken), MICRO))))
  end
  counter.plain = is_safe(counter.used) and is_safe(counter.reserved)
end

-- Put what was used in the place of what the claims took, but of buckets that keep what they took:
-- those change nothing, and are not looked at.
local function settle(book, list, count, now)
  for i = 1, count do
    local claim, was, amount = list[i], list[count + i], list[2 * count + i]
    local units = claim.units
    if units == 0 or amount ~= was then
      local counter = claim.counter
      if not is_ready(counter, claim, now) then counter = ready(book, claim, now) end
      if not (claim.plain and counter.plain and was <= claim.most and type(amount) == 'number'
        and amount <= claim.most) then
        settle_exactly(counter, claim, was, amount, now)
      elseif units == 0 then
        local reserved = counter.reserved - was
        counter.reserved = reserved > 0 and reserved or 0
        if claim.rolling == 0 then
          local used = counter.used + amount
          counter.used, counter.plain = used, used < SAFE
        end
      else
        local used = counter.used + (amount - was) * MICRO
        if used <= 0 then
          counter.used, counter.rest = 0, 0
        else
          counter.used, counter.plain = used, used < SAFE
        end
      end
      remember(book, counter, claim)
    end
  end
end

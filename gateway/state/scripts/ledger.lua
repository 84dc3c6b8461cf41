-- The arithmetic of buckets and budgets, as `gateway/state/ledger.py` has it, line by line: what
-- each step is for, and why, stands there. Here is no I/O either; `load` is given.

local MICRO = 1000000
local MOST = read('4611686018427387904')  -- 2^62
local WIDEST = read('9223372036854775807')  -- what is written, as in a database of 64 bits

-- A claim is {key, amount, limit, units, seconds, expires, shadow}: units 0 for a budget, expires
-- in microseconds, -1 for never, shadow 0 or 1.

local function forgotten(counter, now)
  return counter.expires ~= 0 and not more(counter.expires, now) and sign(counter.reserved) == 0
end

local function level(counter)
  if counter.units > 0 then
    return '[' .. text(ceildiv(counter.used, MICRO)) .. ',0,' .. text(counter.limit) .. ']'
  end
  local used, reserved = least(WIDEST, counter.used), least(WIDEST, counter.reserved)
  return '[' .. text(used) .. ',' .. text(reserved) .. ',' .. text(counter.limit) .. ']'
end

local function refill(counter, now)
  local elapsed = now - counter.at
  counter.at = now
  if elapsed <= 0 or sign(counter.used) == 0 then
    if sign(counter.used) == 0 then counter.rest = 0 end
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

local function new_counter(now)
  return {used = 0, reserved = 0, at = now, rest = 0, expires = 0, limit = 0, units = 0, seconds = 1}
end

-- The counter of a claim, made or begun anew where need be, refilled, with its new limit.
local function ready(book, claim, now)
  local counter = book.load(claim[1])
  if not counter or forgotten(counter, now) then
    counter = new_counter(now)
    book.counters[claim[1]] = counter
  end
  counter.limit = read(claim[3])
  if claim[4] > 0 then
    if claim[5] ~= counter.seconds then counter.rest = 0 end
    counter.units, counter.seconds = claim[4], claim[5]
    refill(counter, now)
  end
  return counter
end

-- Why a claim does not fit, as JSON, or nil.
local function misfit(counter, claim, index)
  local amount, limit = read(claim[2]), counter.limit
  if claim[4] == 0 then
    local spent = add(counter.used, amount)
    if more(spent, limit) then return '[' .. index .. ',"spent",0]' end
    if more(add(spent, counter.reserved), limit) then return '[' .. index .. ',"reserved",1000000]' end
    return nil
  end
  local lacking = add(counter.used, mul(amount - limit, MICRO))
  if sign(lacking) <= 0 then return nil end
  local wait = time_to_gain(counter, least(lacking, counter.used))
  return '[' .. index .. ',"rate","' .. text(wait) .. '"]'
end

local function take(counter, claim)
  if claim[4] == 0 then
    counter.reserved = add(counter.reserved, read(claim[2]))
  else
    counter.used = add(counter.used, mul(claim[2], MICRO))
  end
end

local function untake(counter, claim)
  if claim[4] == 0 then
    counter.reserved = sub(counter.reserved, read(claim[2]))
  else
    counter.used = sub(counter.used, mul(claim[2], MICRO))
  end
end

local function remember(book, counter, claim, now)
  local expires = claim[6]
  if claim[4] > 0 then
    counter.expires = add(add(time_to_gain(counter, counter.used), now), 1)
  elseif expires == -1 then
    counter.expires = 0
  elseif more(read(expires), counter.expires) then
    counter.expires = read(expires)
  end
  book.mark(claim[1])
end

-- The answer as JSON without its serial: refused, levels, refusal, would_refuse.
local function admit(book, claims, now)
  local touched, taken, would, refusal = {}, {}, {}, nil
  for i = 1, #claims do
    local claim = claims[i]
    local counter = ready(book, claim, now)
    touched[i] = counter
    local refused = misfit(counter, claim, i - 1)
    if not refused or claim[7] == 1 then
      if refused then would[#would + 1] = refused end
      take(counter, claim)
      taken[#taken + 1] = i
    elseif not refusal then
      refusal = refused
    end
  end
  for _, i in ipairs(taken) do
    if refusal then
      untake(touched[i], claims[i])
    else
      remember(book, touched[i], claims[i], now)
    end
  end
  local levels = {}
  for i = 1, #touched do levels[i] = level(touched[i]) end
  local answer = '[' .. table.concat(levels, ',') .. '],' .. (refusal or 'null')
  return not refusal, answer .. ',[' .. table.concat(would, ',') .. ']'
end

-- Put `amounts` in the place of what the claims took; nil: what they took. The levels, as JSON.
local function settle(book, claims, amounts, now)
  local levels = {}
  for i = 1, #claims do
    local claim = claims[i]
    local amount = read(amounts and amounts[i] or claim[2])
    local counter = ready(book, claim, now)
    if claim[4] == 0 then
      counter.reserved = positive(sub(counter.reserved, read(claim[2])))
      counter.used = least(MOST, add(counter.used, amount))
    else
      local change = mul(sub(amount, claim[2]), MICRO)
      counter.used = least(MOST, positive(add(counter.used, change)))
    end
    remember(book, counter, claim, now)
    levels[i] = level(counter)
  end
  return '[' .. table.concat(levels, ',') .. ']'
end

// Makes the calls that pytest describes, through the official Node SDKs as they come, and prints
// what an agent saw of each. In: {base, runs: [[job, ...], ...]} on stdin; the jobs of a run are done
// one after the other, runs side by side. Out: a list of results, each with its job's id.
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import { generateText, streamText, jsonSchema, tool } from 'ai';
import { createOpenAI } from '@ai-sdk/openai';
import { createAnthropic } from '@ai-sdk/anthropic';

const ARGUMENTS = { id: 17 };
const AT_ONCE = 16;
const OBJECT = { type: 'object', properties: {} };

// A fetch that counts attempts and keeps the last reply's headers.
function counting(heard) {
  return async (url, init) => {
    heard.attempts += 1;
    const reply = await fetch(url, init);
    heard.headers = Object.fromEntries(reply.headers);
    return reply;
  };
}

const turns = (ask) => Array.from({ length: ask.result ? ask.turns : 0 }, (_, n) => `c${n}`);

const flavours = {
  async openai_chat(client, ask, stream, heard) {
    const messages = [{ role: 'user', content: ask.text }];
    for (const id of turns(ask)) {
      const fn = { name: 'get_order', arguments: JSON.stringify(ARGUMENTS) };
      messages.push({ role: 'assistant', content: null, tool_calls: [{ id, type: 'function', function: fn }] });
      messages.push({ role: 'tool', tool_call_id: id, content: ask.result });
    }
    const body = { model: ask.model, messages, max_tokens: ask.max_tokens };
    if (ask.tools.length) {
      body.tools = ask.tools.map((name) => ({ type: 'function', function: { name, parameters: OBJECT } }));
    }
    let message;
    if (stream) {
      const runner = client.chat.completions.stream(body);
      runner.on('content', (delta) => (heard.text += delta));
      message = (await runner.finalChatCompletion()).choices[0].message;
    } else {
      message = (await client.chat.completions.create(body)).choices[0].message;
    }
    heard.text = message.content ?? '';
    heard.tools = (message.tool_calls ?? []).map((call) => call.function.name);
  },

  async openai_responses(client, ask, stream, heard) {
    const input = [{ role: 'user', content: ask.text }];
    for (const id of turns(ask)) {
      input.push({ type: 'function_call', call_id: id, name: 'get_order', arguments: JSON.stringify(ARGUMENTS) });
      input.push({ type: 'function_call_output', call_id: id, output: ask.result });
    }
    const body = { model: ask.model, input, max_output_tokens: ask.max_tokens };
    if (ask.tools.length) {
      body.tools = ask.tools.map((name) => ({ type: 'function', name, parameters: OBJECT, strict: false }));
    }
    let answer;
    if (stream) {
      for await (const event of await client.responses.create({ ...body, stream: true })) {
        if (event.type === 'response.output_text.delta') heard.text += event.delta;
        if (event.type === 'response.failed') heard.failed = event.response.error;
        if (event.type === 'response.completed') answer = event.response;
      }
      if (!answer) return;
    } else {
      answer = await client.responses.create(body);
    }
    const content = answer.output.filter((item) => item.type === 'message').flatMap((item) => item.content);
    heard.text = content.map((part) => part.text).join('');
    heard.tools = answer.output.filter((item) => item.type === 'function_call').map((item) => item.name);
  },

  async anthropic_messages(client, ask, stream, heard) {
    const messages = [{ role: 'user', content: ask.text }];
    for (const id of turns(ask)) {
      messages.push({ role: 'assistant', content: [{ type: 'tool_use', id, name: 'get_order', input: ARGUMENTS }] });
      messages.push({ role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: ask.result }] });
    }
    const body = { model: ask.model, messages, max_tokens: ask.max_tokens };
    if (ask.tools.length) body.tools = ask.tools.map((name) => ({ name, input_schema: OBJECT }));
    let message;
    if (stream) {
      const runner = client.messages.stream(body);
      runner.on('text', (delta) => (heard.text += delta));
      message = await runner.finalMessage();
    } else {
      message = await client.messages.create(body);
    }
    heard.text = message.content.filter((part) => part.type === 'text').map((part) => part.text).join('');
    heard.tools = message.content.filter((part) => part.type === 'tool_use').map((part) => part.name);
  },
};

function sdk(base, job, heard) {
  const options = { apiKey: job.key, fetch: counting(heard), defaultHeaders: { 'x-say': job.ask.say } };
  return job.flavour === 'anthropic_messages'
    ? new Anthropic({ ...options, baseURL: base })
    : new OpenAI({ ...options, baseURL: `${base}/v1` });
}

// Vercel's `ai`: one way to call for all providers.
async function vercel(base, job, heard) {
  const { ask } = job;
  const options = {
    apiKey: job.key,
    baseURL: `${base}/v1`,
    fetch: counting(heard),
    headers: { 'x-say': ask.say },
  };
  const model = {
    openai_chat: () => createOpenAI(options).chat(ask.model),
    openai_responses: () => createOpenAI(options).responses(ask.model),
    anthropic_messages: () => createAnthropic(options)(ask.model),
  }[job.flavour]();
  const messages = [{ role: 'user', content: ask.text }];
  for (const toolCallId of turns(ask)) {
    const call = { toolCallId, toolName: 'get_order' };
    messages.push({ role: 'assistant', content: [{ type: 'tool-call', ...call, input: ARGUMENTS }] });
    const output = { type: 'text', value: ask.result };
    messages.push({ role: 'tool', content: [{ type: 'tool-result', ...call, output }] });
  }
  const tools = Object.fromEntries(ask.tools.map((name) => [name, tool({ inputSchema: jsonSchema(OBJECT) })]));
  const request = { model, messages, maxOutputTokens: ask.max_tokens, tools };
  if (!job.stream) {
    const answer = await generateText(request);
    heard.text = answer.text;
    heard.tools = answer.toolCalls.map((call) => call.toolName);
    return;
  }
  for await (const part of streamText({ ...request, onError: () => {} }).fullStream) {
    if (part.type === 'text-delta') heard.text += part.text;
    if (part.type === 'tool-call') heard.tools.push(part.toolName);
    if (part.type === 'error') throw part.error;
  }
}

function told(error) {
  const cause = error.lastError ?? error; // ai's RetryError holds what it gave up on
  return {
    kind: error.constructor.name,
    name: error.name,
    status: cause.status ?? cause.statusCode ?? null,
    code: cause.code ?? null,
    message: String(cause.message ?? cause),
    body: cause.responseBody ?? JSON.stringify(cause.error ?? cause.message ?? cause),
  };
}

async function play(base, job) {
  const heard = { id: job.id, text: '', tools: [], error: null, failed: null, attempts: 0, headers: {} };
  try {
    if (job.side === 'ai') await vercel(base, job, heard);
    else await flavours[job.flavour](sdk(base, job, heard), job.ask, job.stream, heard);
  } catch (error) {
    heard.error = told(error);
  }
  return heard;
}

const { base, runs } = JSON.parse(readFileSync(0, 'utf8'));
const results = [];
const todo = [...runs];
async function work() {
  for (let run = todo.shift(); run; run = todo.shift()) {
    for (const job of run) results.push(await play(base, job));
  }
}
globalThis.AI_SDK_LOG_WARNINGS = false;
await Promise.all(Array.from({ length: AT_ONCE }, work));
process.stdout.write(JSON.stringify(results), () => process.exit(0));

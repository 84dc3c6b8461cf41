// The official Node SDKs with what providers keep. In: {base, key} on stdin. Out: what an agent
// saw, by name; the code of the error where there was one.
import { readFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI, { toFile } from 'openai';

const { base, key } = JSON.parse(readFileSync(0, 'utf8'));
const openai = new OpenAI({ baseURL: `${base}/v1`, apiKey: key, maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: base, apiKey: key, maxRetries: 0 });
const heard = {};

async function ask(name, call) {
  try {
    heard[name] = await call();
  } catch (error) {
    heard[name] = error.code ?? error.error?.error?.code ?? String(error);
  }
}

function line(text) {
  const body = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: text }] };
  return JSON.stringify({ custom_id: '1', method: 'POST', url: '/v1/chat/completions', body });
}

async function upload(...texts) {
  const content = texts.map((text) => `${line(text)}\n`).join('');
  const file = await toFile(Buffer.from(content), 'in.jsonl');
  return (await openai.files.create({ file, purpose: 'batch' })).id;
}

async function events(id, after) {
  const stream = await openai.responses.retrieve(id, { stream: true, starting_after: after });
  const types = [];
  for await (const event of stream) types.push(event.type);
  return types.at(-1);
}

await ask('clean', async () => (await openai.responses.retrieve('resp_clean')).output_text);
await ask('word', async () => (await openai.responses.retrieve('resp_word')).output_text);
await ask('stream', () => events('resp_clean', 3));
await ask('stream_word', () => events('resp_word', 3));
await ask('upload', () => upload('Hello', 'Bye'));
await ask('upload_word', () => upload('Hello', 'Say swordfish'));
await ask('results', async () => (await openai.files.content('file-2')).text());
await ask('message_results', async () => {
  const found = [];
  for await (const each of await anthropic.messages.batches.results('msgbatch_1')) found.push(each);
  return JSON.stringify(found);
});
console.log(JSON.stringify(heard));
process.exit(0);

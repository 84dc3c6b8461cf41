// The official TypeScript MCP client, made to do one round of everything. In: {base, ways} on
// stdin. Out: what an agent saw, by way of connecting; the shape is that of ../mcp_python.py.
import { readFileSync } from 'node:fs';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';

const KEY = 'AKIAIOSFODNN7EXAMPLE';
const WORD = 'swordfish';
const LONGEST = { timeout: 20_000 };
const order = JSON.parse(readFileSync(0, 'utf8'));

const transports = {
  legacy: () => new StreamableHTTPClientTransport(new URL(`${order.base}/everything/mcp`)),
  sse: () => new SSEClientTransport(new URL(`${order.base}/older`)),
};

function result(told) {
  const texts = told.content.filter((block) => block.type === 'text').map((block) => block.text);
  return { text: texts.join('\n'), error: told.isError === true, structured: told.structuredContent ?? null };
}

async function round(way) {
  const client = new Client({ name: 'portcullis-tests', version: '1.0.0' }, { capabilities: { sampling: {} } });
  let sampled = 0;
  client.setRequestHandler(CreateMessageRequestSchema, async () => {
    sampled += 1;
    return { role: 'assistant', model: 'm', content: { type: 'text', text: 'fine' } };
  });
  await client.connect(transports[way](), LONGEST);
  const call = async (name, args, options = {}) =>
    result(await client.callTool({ name, arguments: args }, undefined, { ...LONGEST, ...options }));
  const found = {};
  found.tools = (await client.listTools({}, LONGEST)).tools.map((tool) => tool.name);
  found.allowed = await call('echo', { text: 'hello' });
  found.denied = await call('delete_everything', {});
  found.secret = await call('echo', { text: `my key is ${KEY}` });
  found.poisoned = await call('fetch_page', {});
  found.contact = await call('contact', {});
  found.found = await call('find', { who: 'bob.ray@example.com' });
  const seen = [];
  found.progress = await call('test_tool_with_progress', {}, { onprogress: (step) => seen.push(step.progress) });
  found.progress.seen = seen;
  found.resource = (await client.readResource({ uri: 'test://people' }, LONGEST)).contents[0].text;
  found.prompt = (await client.getPrompt({ name: 'test_simple_prompt' }, LONGEST)).messages[0].content.text;
  found.sampling = { ...(await call('test_sampling', { prompt: 'hello' })), seen: sampled };
  found.sampling_stopped = { ...(await call('test_sampling', { prompt: `say ${WORD}` })), seen: sampled };
  await client.close();
  return found;
}

const heard = {};
for (const way of order.ways) heard[way] = await round(way);
console.log(JSON.stringify(heard));
process.exit(0);

// The API, asked. All addresses are relative: the page may lie behind a proxy, under a path.
const LONGEST_EVENT = 16_000_000; // characters; who sends more sends no answer
const SESSION = Math.random().toString(36).slice(2); // by which a proxy finds the server that has its prefix cached

/// Why there is no answer, or not all of it. `code` is a key of WORDS without its fail_.
class Failure extends Error {
  constructor(code, { status = 0, message = '', wait = 0 } = {}) {
    super(message);
    Object.assign(this, { code, status, wait });
  }
}

function codeOf(status, code) {
  if (status === 401) return 'key';
  if (status === 403) return 'forbidden';
  if (status === 413) return 'large';
  if (status === 429) return 'busy';
  if (status === 503 && `fail_${code}` in WORDS.en) return code;
  if (status === 502 || status === 503 || status === 504) return 'proxy';
  return status >= 500 ? 'server' : 'other';
}

async function failureOf(response) {
  let error = {};
  try {
    error = (await response.json()).error ?? {};
  } catch {
    // A proxy's page, which says no more than the status does.
  }
  const wait = Number(response.headers.get('Retry-After')) || 0;
  const message = typeof error.message === 'string' ? error.message : '';
  return new Failure(codeOf(response.status, error.code), { status: response.status, message, wait });
}

/// A request; throws Failure unless it is answered with 2xx, and AbortError.
async function request(path, options = {}) {
  let response;
  try {
    const headers = { ...options.headers, ...apiKey.headers() };
    response = await fetch(HERE + path, { ...options, headers, cache: 'no-store' });
  } catch (error) {
    throw error.name === 'AbortError' ? error : new Failure('away');
  }
  if (!response.ok) throw await failureOf(response);
  return response;
}

/// The data of server-sent events, as they come.
async function* eventsOf(response) {
  const reader = response.body.getReader(), decoder = new TextDecoder();
  try {
    for (let rest = '';;) {
      const { done, value } = await reader.read();
      if (done) return;
      const text = decoder.decode(value, { stream: true });
      rest += text;
      if (rest.length > LONGEST_EVENT) throw new Failure('form');
      if (!text.includes('\n')) continue;
      const lines = rest.split('\n');
      rest = lines.pop();
      for (const line of lines) if (line.startsWith('data:')) yield line.slice(5).trim();
    }
  } catch (error) {
    throw error.name === 'AbortError' || error instanceof Failure ? error : new Failure('broken');
  } finally {
    reader.cancel().catch(() => {});
  }
}

function addCalls(message, calls) {
  message.calls ??= [];
  for (const { index = 0, function: called = {} } of calls) {
    const call = (message.calls[Math.min(index, message.calls.length)] ??= { name: '', arguments: '' });
    call.name += called.name ?? '';
    call.arguments += called.arguments ?? '';
  }
}

/// Takes what an event brings over into the message and its view's times.
function takeEvent(event, message, times) {
  if (event.error) throw new Failure('in_stream', { message: String(event.error.message ?? '') });
  if (event.usage) {
    message.usage = [event.usage.prompt_tokens, event.usage.completion_tokens, event.usage.prompt_tokens_details?.cached_tokens ?? 0];
  }
  const [choice] = event.choices ?? [];
  if (!choice) return;
  const { content, reasoning_content, reasoning, tool_calls } = choice.delta ?? {};
  const now = performance.now(), thought = reasoning_content ?? reasoning;
  if (content || thought || tool_calls) times.first ??= now, (times.last = now);
  if (thought) message.reasoning = (message.reasoning ?? '') + thought;
  if (content || tool_calls) times.answer ??= now;
  if (content) message.text += content;
  if (tool_calls) addCalls(message, tool_calls);
  if (choice.finish_reason) message.end = choice.finish_reason;
}

/// Streams the answer of `body` into `message`, telling `changed()`.
async function answer(body, message, times, signal, changed) {
  const response = await request('v1/chat/completions', {
    method: 'POST', signal, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json', 'X-Session-Id': SESSION },
  });
  let complete = false;
  if (!response.headers.get('Content-Type')?.startsWith('text/event-stream')) throw new Failure('form');
  for await (const data of eventsOf(response)) {
    if (data === '[DONE]') {
      complete = true;
      break;
    }
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      throw new Failure('form');
    }
    takeEvent(event, message, times);
    changed();
  }
  if (!complete) throw new Failure('broken');
}

/// What is said, as the API takes it. What was thought is not said again.
function messagesToSend(messages, system) {
  const sent = system ? [{ role: 'system', content: system }] : [];
  for (const { role, text, calls } of messages) {
    const tool_calls = calls?.map((call, i) => ({ id: `call_${i}`, type: 'function', function: call }));
    if (role === 'user' || text || tool_calls) sent.push({ role, content: text, ...(tool_calls && { tool_calls }) });
  }
  return sent;
}

// What is kept in the browser. Pages of several servers may share an origin, behind a proxy: each has names
// of its own. A browser may refuse to keep anything, and the page works nevertheless.
const HERE = location.pathname.endsWith('/') ? './' : `./${location.pathname.split('/').pop()}/`;
const KEPT_AS = `qwend ${location.pathname} `;
const MOST_KEPT = 1_000_000; // characters of a conversation; browsers give an origin some five million

function keep(name, value, where = 'localStorage') {
  try {
    if (value === null) window[where].removeItem(KEPT_AS + name);
    else window[where].setItem(KEPT_AS + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

function kept(name, otherwise, where = 'localStorage') {
  try {
    return JSON.parse(window[where].getItem(KEPT_AS + name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/// The latest messages that fit; whether those are all.
function keepMessages(messages) {
  const texts = messages.map((message) => JSON.stringify(message));
  let first = texts.length;
  for (let size = 0; first > 0 && size + texts[first - 1].length <= MOST_KEPT; first--) size += texts[first - 1].length;
  while (first < messages.length && messages[first].role !== 'user') first++;
  return keep('chat', first < messages.length ? messages.slice(first) : null) && first === 0;
}

/// What was kept, as far as it has the form of a conversation: another version may have written it.
function keptMessages() {
  const messages = kept('chat', []);
  const isOne = (m) => m && (m.role === 'user' || m.role === 'assistant') && typeof m.text === 'string';
  return Array.isArray(messages) && messages.every(isOne) ? messages : [];
}

const apiKey = {
  get: () => kept('key', '', 'sessionStorage') || kept('key', ''),
  set(key, forLong) {
    apiKey.forget();
    keep('key', key, forLong ? 'localStorage' : 'sessionStorage');
    apiKey.unkept = key; // for a browser that keeps nothing
  },
  forget() {
    keep('key', null), keep('key', null, 'sessionStorage');
    apiKey.unkept = '';
  },
  unkept: '',
  headers() {
    const key = apiKey.get() || apiKey.unkept;
    return key ? { Authorization: `Bearer ${key}` } : {};
  },
};

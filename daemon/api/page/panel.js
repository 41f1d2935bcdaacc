// What stands beside the conversation: parameters, how the server is, the key, language and theme.
const NUMBERS = ['temperature', 'top_p', 'max_tokens', 'seed'];
const server = { state: 'unknown', models: [], version: '', uptime: 0, needsKey: false };

const fieldOf = (name) => $('parameters').querySelector(`[name=${name}]`);

/// What the parameters add to a request; null, and a word beside them, if one is no parameter.
function readParameters() {
  const wrong = (text) => (($('wrong').textContent = text), null);
  const body = {};
  wrong('');
  for (const name of NUMBERS) {
    const text = fieldOf(name).value.trim(), value = Number(text.replace(',', '.'));
    if (text && !Number.isFinite(value)) return wrong(t('wrong_number', t(name)));
    if (text) body[name] = value;
  }
  const more = fieldOf('more').value.trim();
  if (!more) return body;
  try {
    const fields = JSON.parse(more);
    if (fields && typeof fields === 'object' && !Array.isArray(fields)) return { ...body, ...fields };
  } catch {
    // As below.
  }
  return wrong(t('wrong_json'));
}

function keepParameters() {
  const values = {};
  for (const name of ['system', 'more', ...NUMBERS]) values[name] = fieldOf(name).value;
  keep('parameters', values);
  readParameters();
  showCurl();
}

function fillParameters(values) {
  for (const name of ['system', 'more', ...NUMBERS]) fieldOf(name).value = values[name] ?? '';
}

/// The model that is asked: as chosen, while it is served.
function chosenModel() {
  const chosen = kept('model', '');
  return server.models.find((model) => model.id === chosen) ?? server.models[0];
}

/// What models are for: where each is asked for it, and with what.
const ASKED_FOR = {
  chat: (text) => ['v1/chat/completions', { messages: [{ role: 'user', content: text }], stream: true }],
  completion: (text) => ['v1/completions', { prompt: text, max_tokens: 64, stream: true }],
  embedding: (text) => ['v1/embeddings', { input: [text] }],
  classification: (text) => ['classify', { input: [text] }],
  reward: (text) => ['pooling', { input: [text] }],
};
const taskOf = (model) => (Object.hasOwn(ASKED_FOR, model?.task) ? model.task : 'chat');

function shellQuote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function showCurl() {
  const address = new URL(HERE, location.href).href, model = chosenModel();
  const several = server.models.length > 1 ? { model: model.id } : {};
  const text = language === 'zh' ? '介绍一下大模型' : 'Why is the sky blue?';
  const [path, asked] = ASKED_FOR[taskOf(model)](text);
  const spacious = JSON.stringify({ ...several, ...asked }, null, 1);
  const body = spacious.replace(/([{[])\n +/g, '$1').replace(/\n *([}\]])/g, '$1').replace(/\n +/g, ' ');
  const key = server.needsKey ? ' \\\n  -H "Authorization: Bearer $KEY"' : '';
  $('curl').textContent = `curl -N ${address}${path}${key} \\\n  -d ${shellQuote(body)}\n\ncurl ${address}v1/models${key}`;
}

function duration(seconds) {
  const s = Math.floor(seconds), m = Math.floor(s / 60), h = Math.floor(m / 60);
  if (h >= 24) return t('days', Math.floor(h / 24), h % 24);
  if (h) return t('hours', h, m % 60);
  return m ? t('minutes', m) : t('seconds', s);
}

function factsOf(model) {
  const rows = [['state', t(stateKey(model.state))]];
  rows.push(['device', model.device || '–'], ['context', t('n_tokens', count(model.max_model_len))]);
  rows.push(['running', t('n_running', model.running, model.waiting)]);
  const used = Math.round(model.kv_cache_usage * model.kv_blocks);
  if (model.kv_blocks) rows.push(['kv_cache', t('n_blocks', count(used), count(model.kv_blocks)), model.kv_cache_usage]);
  rows.push(['generated', t('n_tokens', count(model.generated_tokens))]);
  return rows;
}

function showFacts() {
  const rows = [];
  for (const model of server.models) {
    if (server.models.length > 1) rows.push(['model', model.id]);
    rows.push(...factsOf(model));
  }
  if (server.version) rows.push(['uptime', duration(server.uptime)], ['version', server.version]);
  if (!server.models.length) rows.unshift(['state', t(stateKey(server.state))]);
  $('facts').replaceChildren(...rows.map(([key, text, part]) => {
    const value = make('dd', {}, text);
    if (part !== undefined) {
      const bar = make('i');
      bar.style.width = `${100 * part}%`;
      value.append(make('span', { class: 'part' }, bar));
    }
    return make('div', {}, make('dt', {}, t(key)), value);
  }));
  const links = server.needsKey ? ['health'] : ['health', 'metrics', 'v1/models', 'openapi.json'];
  $('links').replaceChildren(...links.map((path) => make('a', { href: HERE + path, target: '_blank', rel: 'noopener' }, path)));
}

const stateKey = (state) => (state in WORDS.en ? state : 'unknown');

function showModels() {
  const model = chosenModel(), several = server.models.length > 1;
  $('model').hidden = !several;
  $('model-name').hidden = several;
  $('model-name').textContent = model?.id ?? '';
  const isNew = [...$('model').options].map((option) => option.value).join('\n') !== server.models.map(({ id }) => id).join('\n');
  if (several && isNew) $('model').replaceChildren(...server.models.map(({ id }) => make('option', { value: id }, id)));
  if (model) $('model').value = model.id;
  document.title = model ? `${model.id} – qwend` : 'qwend';
}

function showServer() {
  const { state } = server;
  $('state').dataset.state = state;
  $('state-text').textContent = t(stateKey(state));
  $('state').setAttribute('aria-label', `${t('status')}: ${t(stateKey(state))}`);
  showModels();
  showFacts();
  showCurl();
  showKey();
}

/// Asks how the server is. Without a key that it takes nothing is known but that it is there.
async function askStatus() {
  try {
    const status = await (await request('status')).json();
    if (Array.isArray(status.models)) Object.assign(server, status, { needsKey: server.needsKey || 'Authorization' in apiKey.headers() });
  } catch (failure) {
    server.state = failure.code === 'key' ? 'locked' : 'away';
    if (failure.code === 'key') server.needsKey = true;
  }
  showServer();
}

function showKey() {
  const has = 'Authorization' in apiKey.headers();
  $('key-row').hidden = !server.needsKey && !has;
  $('key-state').textContent = t(has ? 'key_set' : 'key_none');
  $('change-key').textContent = t(has ? 'key_change' : 'key_add');
  $('forget-key').hidden = !has;
}

/// Whether a key was given.
function askKey() {
  const dialog = $('key-dialog');
  if (dialog.open) return Promise.resolve(false);
  $('key').value = '';
  $('key-why').textContent = t('Authorization' in apiKey.headers() ? 'key_again' : 'key_why');
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener('close', () => done(dialog.returnValue === 'set'), { once: true }));
}

$('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const key = $('key').value.trim();
  if (!key) return;
  apiKey.set(key, $('keep-key').checked);
  $('key').value = '';
  $('key-dialog').close('set');
});
for (const button of document.querySelectorAll('[data-close]'))
  button.addEventListener('click', () => button.closest('dialog').close(''));

function showPanel(open) {
  $('panel').hidden = !open;
  $('open-panel').setAttribute('aria-expanded', open);
  document.body.classList.toggle('panelled', open);
  keep('panel', open);
  if (open) askStatus();
}

const darkness = matchMedia('(prefers-color-scheme: dark)');
function showTheme() {
  const theme = kept('theme', 'auto');
  const dark = theme === 'dark' || (theme === 'auto' && darkness.matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  for (const radio of $('theme').querySelectorAll('input')) radio.checked = radio.value === theme;
}

function chooseLanguage() {
  const first = (navigator.languages ?? [navigator.language]).find((tag) => /^(zh|en)/i.test(tag));
  language = kept('language', first?.toLowerCase().startsWith('zh') ? 'zh' : 'en');
  if (!(language in WORDS)) language = 'en';
  for (const radio of $('language').querySelectorAll('input')) radio.checked = radio.value === language;
}

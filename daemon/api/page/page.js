// The conversation: what is asked, answered, edited and kept.
const main = $('main'), input = $('input');
let messages = keptMessages(), views = [];
let running = null; // the answer that is under way: {abort, view}
let follows = true; // whether the end is kept in view

const isAtEnd = () => main.scrollHeight - main.scrollTop - main.clientHeight < 60;
function toEnd() {
  main.scrollTop = main.scrollHeight;
  follows = true;
  $('to-end').hidden = true;
}
const follow = () => (follows ? toEnd() : ($('to-end').hidden = isAtEnd()));

let lastKept = 0, saidPart = false;
function keepAll() {
  lastKept = performance.now();
  if (keepMessages(messages) || saidPart || !messages.length) return;
  saidPart = true;
  toast(t('kept_part'));
}

let toastTimer = 0;
function toast(text, undo = null) {
  clearTimeout(toastTimer);
  $('toast-text').textContent = text;
  $('undo').hidden = !undo;
  $('undo').onclick = () => (undo(), ($('toast').hidden = true));
  $('toast').hidden = false;
  toastTimer = setTimeout(() => ($('toast').hidden = true), 8000);
}

const acts = {
  isBusy: () => Boolean(running),
  edit(view) {
    if (running) return;
    view.edit((text) => {
      if (text === null) return focusInput();
      truncate(views.indexOf(view));
      send(text);
    });
  },
  again(view) {
    if (running) return;
    truncate(views.indexOf(view));
    ask();
  },
  async retry(view, failure) {
    if (running) return;
    if (failure.code === 'key' && !(await askForKey())) return;
    acts.again(view);
  },
};

function truncate(n) {
  for (const view of views.splice(n)) view.node.remove();
  messages.length = n;
}

function add(message) {
  messages.push(message);
  return show(message);
}

function show(message) {
  const view = new MessageView(message, acts);
  views.push(view);
  $('messages').append(view.node);
  return view;
}

function showAll() {
  views = [];
  $('messages').replaceChildren();
  for (const message of messages) show(message);
  showWelcome();
}

function showWelcome() {
  const model = chosenModel(), task = taskOf(model), chats = task === 'chat';
  document.body.classList.toggle('bare', !chats);
  if (chats && $('bare').contains($('status'))) $('parameters').after($('status'), $('terminal'));
  if (!chats && !$('bare').contains($('status'))) $('bare').append($('status'), $('terminal')), ($('terminal').open = true);
  $('bare').hidden = chats;
  $('footer').hidden = $('new-chat').hidden = $('parameters').hidden = !chats;
  $('welcome').hidden = chats && messages.length > 0;
  $('welcome-title').textContent = chats ? t('welcome') : t('bare', model.id);
  $('welcome-text').textContent = chats ? t('welcome_text', model?.id ?? 'qwend') : t(`for_${task}`);
  $('ideas').hidden = !chats;
  const idea = (text) => make('li', {}, make('button', { type: 'button', on: () => send(text) }, text));
  $('ideas').replaceChildren(...t('ideas').split('|').map(idea));
}

function showRunning() {
  $('send').hidden = Boolean(running);
  $('stop').hidden = !running;
  $('messages').setAttribute('aria-busy', Boolean(running));
}

function send(text) {
  if (running || !readParameters()) return showPanelIfWrong();
  add({ role: 'user', text });
  focusInput();
  ask();
}

/// Where a keyboard does not cover half the page.
function focusInput() {
  if (matchMedia('(hover: hover)').matches) input.focus();
}

function showPanelIfWrong() {
  if ($('wrong').textContent) showPanel(true);
}

/// Calls `paint` once a frame after changes, until its end.
function painter(paint) {
  let due = false, over = false;
  const run = () => {
    due = false;
    if (!over) paint();
  };
  return {
    changed: () => due || ((due = true), requestAnimationFrame(run)),
    end: () => (over = true),
  };
}

async function ask() {
  const parameters = readParameters();
  if (!parameters) return showPanelIfWrong();
  const body = {
    ...(server.models.length > 1 && { model: chosenModel().id }),
    messages: messagesToSend(messages, fieldOf('system').value.trim()),
    stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true },
    ...parameters,
  };
  const message = { role: 'assistant', text: '' }, view = add(message);
  const times = { asked: performance.now() };
  const abort = new AbortController();
  running = { abort, view };
  view.begin();
  showRunning(), showWelcome(), toEnd();
  say(t('answering'));
  const paint = painter(() => (view.grow(times), follow()));
  const clock = setInterval(() => times.first || paint.changed(), 500);
  const changed = () => {
    paint.changed();
    if (performance.now() - lastKept > 3000) keepAll();
  };
  try {
    await answer(body, message, times, abort.signal, changed);
    message.end ??= 'stop';
  } catch (error) {
    if (error.name === 'AbortError') message.end = 'stopped';
    else noteFailure(message, error);
  }
  clearInterval(clock);
  paint.end();
  running = null;
  view.grow(times);
  finish(view);
}

function noteFailure(message, error) {
  if (!(error instanceof Failure)) console.error(error);
  const { code = 'form', status = 0, wait = 0 } = error;
  message.end = 'broken';
  message.failure = { code, status, message: error.message, wait };
}

function finish(view) {
  const { message } = view, { failure } = message;
  view.finish();
  if (failure) message.failure = { ...failure, wait: 0 }; // after a reload nobody waits
  keepAll();
  showRunning();
  follow();
  say(failure ? '' : t(message.end === 'stopped' ? 'end_stopped' : 'done'));
  if (!$('panel').hidden || failure) askStatus();
  if (failure?.code === 'key') acts.retry(view, failure);
}

async function askForKey() {
  if (!(await askKey())) return false;
  await askStatus();
  showWelcome();
  return true;
}

function newChat() {
  if (running) running.abort.abort();
  const before = messages;
  messages = [];
  keepAll();
  showAll();
  focusInput();
  if (!before.length) return;
  toast(t('cleared'), () => {
    if (running) running.abort.abort();
    messages = before;
    keepAll();
    showAll();
    toEnd();
  });
}

function editLast() {
  const view = views.findLast((each) => each.message.role === 'user');
  if (view) acts.edit(view);
}

$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (!text || running) return;
  input.value = '';
  fit(input);
  send(text);
  if ($('wrong').textContent) input.value = text; // it was not sent
});
input.addEventListener('input', () => fit(input));
input.addEventListener('keydown', (event) => {
  if (isSendKey(event)) event.preventDefault(), $('composer').requestSubmit();
  if (event.key === 'ArrowUp' && !input.value && !running && !event.isComposing) event.preventDefault(), editLast();
});

addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !document.querySelector('dialog[open]') && !event.isComposing) {
    if (running) running.abort.abort();
    else if (!$('panel').hidden) showPanel(false), $('open-panel').focus();
  }
  if (!(event.ctrlKey || event.metaKey)) return;
  if (event.key === '/') event.preventDefault(), $('help').open || $('help').showModal();
  if (event.key === '.') event.preventDefault(), showPanel($('panel').hidden);
});
addEventListener('click', (event) => {
  const copy = event.target.closest?.('[data-copy]');
  if (copy) copyFrom(copy, copy.closest('.block').querySelector('code').textContent);
});

$('stop').addEventListener('click', () => (running?.abort.abort(), focusInput()));
$('to-end').addEventListener('click', toEnd);
$('new-chat').addEventListener('click', newChat);
$('open-help').addEventListener('click', () => $('help').showModal());
$('open-panel').addEventListener('click', () => showPanel($('panel').hidden));
$('close-panel').addEventListener('click', () => (showPanel(false), $('open-panel').focus()));
$('state').addEventListener('click', () => (server.state === 'locked' ? askForKey() : (($('status').open = true), showPanel($('panel').hidden))));
$('parameters').addEventListener('input', keepParameters);
$('reset').addEventListener('click', () => (fillParameters({}), keepParameters()));
$('model').addEventListener('change', () => (keep('model', $('model').value), showServer(), showWelcome()));
$('change-key').addEventListener('click', askForKey);
$('forget-key').addEventListener('click', () => (apiKey.forget(), askStatus()));
$('theme').addEventListener('change', (event) => (keep('theme', event.target.value), showTheme()));
$('language').addEventListener('change', (event) => (keep('language', event.target.value), speak()));
darkness.addEventListener('change', showTheme);
main.addEventListener('scroll', () => (follows = isAtEnd()) && ($('to-end').hidden = true), { passive: true });
new ResizeObserver(() => follows && toEnd()).observe(main);
addEventListener('pagehide', () => messages.length && keepAll());

/// Says everything in the language that is chosen.
function speak() {
  chooseLanguage();
  translate();
  showServer();
  if (!running) showAll();
}

async function watch() {
  if (!document.hidden && (!$('panel').hidden || server.state !== 'ready') && server.state !== 'locked') {
    await askStatus();
    showWelcome();
  }
  setTimeout(watch, server.state === 'ready' ? 5000 : 2000);
}

for (const message of messages) // the page was closed meanwhile
  if (message.role === 'assistant' && !message.end) noteFailure(message, new Failure('broken'));
fillParameters(kept('parameters', {}));
showTheme();
speak();
showPanel(kept('panel', false) && innerWidth > 900);
toEnd();
fit(input);
focusInput();
askStatus().then(() => (showWelcome(), server.state === 'locked' && askForKey(), setTimeout(watch, 2000)));

// The conversation as it is seen. Text of a model's goes in by Markdown and text nodes alone.
const oneDigit = (x) => (x < 10 ? x.toFixed(1) : x.toFixed(0));
const time = (seconds) => (seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${oneDigit(seconds)} s`);
const count = (n) => n.toLocaleString(language);

function action(key, run) {
  return make('button', { type: 'button', class: 'link', 'data-t': key, on: run }, t(key));
}

/// What went wrong, in words; and in the server's, where they say more.
function failureWords({ code, status, message }) {
  const known = ['key', 'busy', 'loading', 'draining'].includes(code) || !message;
  return [t(code === 'broken' ? 'end_broken' : `fail_${code}`, status), ...(known ? [] : [make('small', {}, message)])];
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers have no clipboard for pages by plain http: an older way is left there.
    const field = make('textarea', { class: 'unseen', readonly: true });
    field.value = text;
    (document.querySelector('dialog[open]') ?? document.body).append(field);
    const focused = document.activeElement;
    field.select();
    const copied = document.execCommand('copy');
    field.remove();
    focused?.focus({ preventScroll: true });
    return copied;
  }
}

async function copyFrom(button, text) {
  const copied = await copyText(text);
  button.textContent = t(copied ? 'copied' : 'no_copy');
  say(button.textContent);
  setTimeout(() => (button.textContent = t('copy')), 1500);
}

/// Something that browsers read aloud.
function say(text) {
  $('said').textContent = text;
}

class MessageView {
  /// `act` has what can be done with a message: edit(view), again(view), retry(view, failure); isBusy().
  constructor(message, act) {
    this.message = message;
    this.act = act;
    this.body = make('div', { class: 'body' });
    this.tools = make('div', { class: 'tools' });
    this.node = make('article', { class: message.role }, make('h3', { class: 'unseen', 'data-t': message.role === 'user' ? 'you' : 'assistant' }, t(message.role === 'user' ? 'you' : 'assistant')), this.body, this.tools);
    if (message.role === 'user') this.showUser();
    else this.showAnswer();
  }

  showUser() {
    this.body.replaceChildren(this.message.text);
    const copy = action('copy', () => copyFrom(copy, this.message.text));
    this.tools.replaceChildren(copy, action('edit', () => this.act.edit(this)));
  }

  showAnswer() {
    this.thoughts = new Text();
    this.summary = make('summary');
    this.thinking = make('details', { class: 'thinking', hidden: true }, this.summary, make('div', {}, this.thoughts));
    this.text = make('div', { class: 'text' });
    this.calls = make('div', { class: 'calls' });
    this.note = make('div', { class: 'note', hidden: true });
    this.meta = make('span', { class: 'meta' });
    this.markdown = new Markdown(this.text);
    this.shown = { text: 0, reasoning: 0 };
    this.body.replaceChildren(this.thinking, this.text, this.calls, this.note);
    this.grow();
    if (this.message.end) this.finish();
  }

  /// Shows what the message has more than was shown.
  grow(times) {
    const { message, shown } = this, { text, reasoning = '', calls } = message;
    if (reasoning.length > shown.reasoning) this.thoughts.appendData(reasoning.slice(shown.reasoning));
    if (text.length > shown.text) this.markdown.append(text.slice(shown.text));
    this.shown = { text: text.length, reasoning: reasoning.length };
    this.markdown.paint();
    this.thinking.hidden = !reasoning;
    if (reasoning) this.summary.textContent = this.thoughtFor(times);
    if (calls) this.calls.replaceChildren(...calls.map((call) => this.callNode(call)));
    if (times) this.showTimes(times);
  }

  thoughtFor(times) {
    if (times && !times.answer && !this.message.end) return t('thinking');
    const { thought } = this.message;
    const seconds = thought ?? (times?.answer - times?.first) / 1000;
    return seconds >= 0.1 ? t('thought', oneDigit(seconds)) : t('thought_some');
  }

  callNode({ name, arguments: given }) {
    let text = given;
    try {
      text = JSON.stringify(JSON.parse(given), null, 2);
    } catch {
      // It is not complete yet, or never was JSON.
    }
    return make('div', { class: 'block call' }, make('div', { class: 'bar' }, make('span', {}, `${t('calls')} ${name}`)), make('pre', { tabindex: 0 }, make('code', {}, text)));
  }

  /// How fast it goes; `times` in ms, of asking and of the first and latest token.
  showTimes(times) {
    const { message } = this;
    if (!times.first) {
      const waited = Math.floor((performance.now() - times.asked) / 1000);
      this.meta.textContent = waited > 1 ? t('wait', waited) : '';
      return;
    }
    message.ttft = (times.first - times.asked) / 1000;
    const n = (message.usage?.[1] ?? 0) - 1, seconds = (times.last - times.first) / 1000;
    if (n > 0 && seconds > 0) message.rate = n / seconds;
    if (times.answer && message.reasoning) message.thought = (times.answer - times.first) / 1000;
    this.showMeta();
  }

  showMeta() {
    const { ttft, rate, usage } = this.message, parts = [];
    if (ttft !== undefined) parts.push(t('first', time(ttft)));
    if (rate) parts.push(t('rate', oneDigit(rate)));
    if (usage) parts.push(t(usage[2] ? 'usage_cached' : 'usage', ...usage.map(count)));
    this.meta.replaceChildren(...parts.map((part) => make('span', {}, part)));
  }

  begin() {
    this.node.classList.add('growing');
    this.tools.replaceChildren(this.meta);
  }

  /// What the message's end leaves to say and do.
  finish(failure = this.message.failure) {
    const { message } = this;
    this.node.classList.remove('growing');
    this.markdown.end();
    if (message.reasoning) this.summary.textContent = this.thoughtFor();
    this.showMeta();
    const copy = action('copy', () => copyFrom(copy, message.text));
    const again = action('again', () => this.act.again(this));
    this.tools.replaceChildren(...(message.text ? [copy] : []), ...(failure ? [] : [again]), this.meta);
    if (failure) return this.showFailure(failure);
    const isEmpty = !message.text && !message.calls?.length;
    const key = { length: 'end_length', stopped: 'end_stopped' }[message.end] ?? (isEmpty ? 'end_empty' : null);
    this.note.hidden = !key;
    if (key) this.showNote([t(key)], false);
  }

  showNote(words, isError, ...more) {
    this.note.hidden = false;
    this.note.className = isError ? 'note error' : 'note';
    this.note.replaceChildren(make('p', { role: isError && 'alert' }, ...words), ...more);
  }

  /// An error, and the way on; where the server says how long to wait, not before.
  showFailure(failure) {
    const retry = make('button', { type: 'button', class: 'quiet', on: () => this.act.retry(this, failure) }, t('try_again'));
    let wait = Math.min(600, Math.ceil(failure.wait ?? 0));
    const tick = () => {
      retry.disabled = wait > 0;
      retry.textContent = wait > 0 ? t('try_in', wait) : t('try_again');
      if (wait-- > 0 && retry.isConnected) setTimeout(tick, 1000);
    };
    this.showNote(failureWords(failure), true, retry);
    tick();
  }

  /// The message becomes a field; `done(text)` with what was written, or null.
  edit(done) {
    const field = make('textarea', { rows: 3, 'aria-label': t('edit') });
    field.value = this.message.text;
    const end = (text) => (this.showUser(), done(text));
    const send = () => this.act.isBusy() || end(field.value.trim() || null);
    field.addEventListener('keydown', (event) => {
      if (isSendKey(event)) event.preventDefault(), send();
      if (event.key === 'Escape') event.preventDefault(), event.stopPropagation(), end(null);
    });
    field.addEventListener('input', () => fit(field));
    this.body.replaceChildren(field);
    this.tools.replaceChildren(action('cancel', () => end(null)), action('send_edit', send));
    fit(field);
    field.focus();
  }
}

/// Enter, but for the one that ends a composition of an input method.
function isSendKey(event) {
  return event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229;
}

/// A field is as high as its text.
function fit(field) {
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight + 2}px`;
}

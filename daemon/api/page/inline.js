// Text with marks in it, of one block of Markdown: emphasis, code, links. Whatever it holds becomes text nodes
// and elements named here, and takes time in proportion to its length.
const DEEPEST_MARKS = 12; // of emphasis in emphasis; browsers lay out what nests by recursion
const LONGEST_URL = 2000;
const PLAIN = /(?:[^\\`*_~[\]!<h]|h(?!ttps?:\/\/))+/y;
const BARE_URL = /https?:\/\/[\w\-.~:/?#[\]@!$&()*+,;=%]+/y;
const ANGLE_URL = /<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/y;
// "(url "title")" behind a ']'; whatever follows, it looks no further than its parts are long.
const TARGET = /\(<?([^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?(?:\s{1,9}["'][^"'\n]{0,200}["'])?\s?\)/y;
const LETTER = /[\p{L}\p{N}]/u;

const isSafeUrl = (url) => /^(https?:\/\/|mailto:)/i.test(url);

function link(url, ...children) {
  return make('a', { href: url, rel: 'noopener noreferrer nofollow', target: '_blank' }, ...children);
}

const nodeOf = (part) => part.node ?? part.text ?? part.mark.repeat(part.count);

class Inline {
  constructor(text) {
    this.text = text;
    this.out = []; // {text}, {node, depth}, and marks that may begin something: {mark, count}
    this.marks = { '*': [], '_': [], '~': [], '[': [] }; // places in `out` of those
    this.lastRun = new Map(); // of backticks, by their number: where the last one is
    for (const run of text.matchAll(/`+/g)) this.lastRun.set(run[0].length, run.index);
  }

  add(text) {
    const last = this.out.at(-1);
    if (last?.text) last.text += text;
    else this.out.push({ text });
  }

  /// Takes what came since `place` out, and forgets the marks in it: they are text.
  takeFrom(place) {
    for (const places of Object.values(this.marks)) while (places.at(-1) >= place) places.pop();
    return this.out.splice(place);
  }

  /// `element` with the parts in it; or the parts alone, where it would nest too deep, and then what was
  /// opened before is text too, so that nobody comes by here again and again.
  wrap(element, parts) {
    const depth = parts.reduce((most, part) => Math.max(most, part.depth ?? 0), 0) + 1;
    if (depth > DEEPEST_MARKS) {
      for (const part of parts) this.out.push(part);
      for (const places of Object.values(this.marks)) places.length = 0;
      return false;
    }
    for (const part of parts) element.append(nodeOf(part));
    this.out.push({ node: element, depth });
    return true;
  }

  /// A run of '*', '_' or '~'. As CommonMark has it, but for its rule of three.
  emphasis(mark, begin, end) {
    const before = this.text[begin - 1] ?? ' ', after = this.text[end] ?? ' ';
    const opens = !/\s/.test(after), closes = !/\s/.test(before);
    const inWord = mark === '_' && LETTER.test(before) && LETTER.test(after);
    let count = end - begin;
    if (inWord || (mark === '~' && count !== 2)) return this.add(this.text.slice(begin, end));
    while (closes && count > 0 && this.marks[mark].length) {
      const place = this.marks[mark].at(-1), opener = this.out[place];
      if (place === this.out.length - 1) break; // nothing is between
      const n = Math.min(2, count, opener.count);
      const parts = this.takeFrom(place + 1);
      if (!this.wrap(make(mark === '~' ? 'del' : n === 2 ? 'strong' : 'em'), parts)) break;
      const made = this.out.pop();
      opener.count -= n, count -= n;
      if (opener.count === 0) this.out.pop(), this.marks[mark].pop();
      this.out.push(made);
    }
    if (count === 0) return;
    if (!opens) return this.add(mark.repeat(count));
    this.marks[mark].push(this.out.length);
    this.out.push({ mark, count });
  }

  code(begin, end) {
    const fence = this.text.slice(begin, end), n = fence.length;
    if ((this.lastRun.get(n) ?? -1) < end) return this.add(fence), end;
    let close = end;
    for (;;) {
      close = this.text.indexOf(fence, close);
      let after = close + n;
      while (this.text[after] === '`') after++;
      if (after === close + n) break;
      close = after;
    }
    let inside = this.text.slice(end, close).replaceAll('\n', ' ');
    if (inside.startsWith(' ') && inside.endsWith(' ') && inside.trim()) inside = inside.slice(1, -1);
    this.out.push({ node: make('code', {}, inside) });
    return close + n;
  }

  /// A ']': a link, if a '[' is open, and what follows says where to. An image is one to itself: the page
  /// loads nothing from elsewhere.
  bracket(at) {
    const place = this.marks['['].pop();
    TARGET.lastIndex = at + 1;
    const target = place === undefined ? null : TARGET.exec(this.text);
    if (!target || !isSafeUrl(target[1])) return this.add(']'), at + 1;
    const [opener, ...parts] = this.takeFrom(place);
    if (opener.mark === '![' && parts.length === 0) parts.push({ text: t('image') });
    this.wrap(link(target[1]), parts);
    return at + 1 + target[0].length;
  }

  bareUrl(at) {
    BARE_URL.lastIndex = at;
    const found = !/\w/.test(this.text[at - 1] ?? ' ') && BARE_URL.exec(this.text);
    if (!found) return this.add('h'), at + 1;
    let url = found[0].slice(0, LONGEST_URL), open = url.split('(').length - url.split(')').length;
    while (/[.,;:!?*\])]/.test(url.at(-1)) && !(url.endsWith(')') && open >= 0)) {
      if (url.endsWith(')')) open++;
      url = url.slice(0, -1);
    }
    this.out.push({ node: link(url, url) });
    return at + url.length;
  }

  step(at) {
    const { text } = this, c = text[at];
    if (c === '\\') {
      const next = text[at + 1] ?? '';
      const escapes = /[\n!-/:-@[-`{-~]/.test(next);
      return this.add(escapes ? next : c), at + (escapes ? 2 : 1);
    }
    if (c === '`' || c === '*' || c === '_' || c === '~') {
      let end = at + 1;
      while (text[end] === c) end++;
      if (c === '`') return this.code(at, end);
      return this.emphasis(c, at, end), end;
    }
    if (c === '[' || (c === '!' && text[at + 1] === '[')) {
      this.marks['['].push(this.out.length);
      this.out.push({ mark: c === '[' ? '[' : '![', count: 1 });
      return at + (c === '[' ? 1 : 2);
    }
    if (c === ']') return this.bracket(at);
    if (c === '<') {
      ANGLE_URL.lastIndex = at;
      const found = ANGLE_URL.exec(text);
      if (found) return this.out.push({ node: link(found[1], found[1]) }), ANGLE_URL.lastIndex;
    }
    if (c === 'h') return this.bareUrl(at);
    return this.add(c), at + 1;
  }

  nodes() {
    for (let at = 0; at < this.text.length;) {
      PLAIN.lastIndex = at;
      const plain = PLAIN.exec(this.text);
      if (plain) this.add(plain[0]), at = PLAIN.lastIndex;
      else at = this.step(at);
    }
    return this.out.map(nodeOf);
  }
}

function inlineNodes(text) {
  return new Inline(text).nodes();
}

// Markdown as it streams in, made into nodes at once.
//
// Laws: only appended to, never rendered anew; whatever is not one of the few things known here, markup above all, stays the text
// it is; a link leads to https: and nowhere else.  Known: paragraphs, headings, lists, quotes, fenced code; `code`, *emphasis*,
// **strong**, [links](https://...).
//
// Theory: text waits only where its meaning does not stand yet: at the beginning of a line, before a run of `*`, and in what may become
// a link.  A mark that was opened is shown as open at once; a block's end closes what is open in it.

const MOST_WAITING = 600; // characters of what may become a link
const BLOCK = /^(?:(#{1,4})[ \t]+|([-*+])[ \t]+|(\d{1,4})[.)][ \t]+|(>)[ \t]?|(```+|~~~+)([^\n]*)\n)/;
const MAY_BE_BLOCK = /^(?:#{1,4}|[-*+]|\d{1,4}[.)]?|#{1,4}[ \t]+|[-*+][ \t]+|\d{1,4}[.)][ \t]+|>|`{1,2}|~{1,2}|(?:```+|~~~+)[^\n]*)$/;
const SPECIAL = /[\\*`[\n]/;

export class Markdown {
  constructor(root) {
    this._root = root;
    this._waiting = "";
    this._fresh = true; // at the beginning of a line
    this._block = null; // the element that text goes into, with `kind`
    this._open = []; // inline elements within it
    this._fence = "";
    this._before = " "; // the character before
  }

  write(text) {
    this._waiting += text.replace(/\r\n?/g, "\n");
    this._take(false);
  }

  end() {
    this._take(true);
    this._close();
  }

  _take(last) {
    while (this._waiting) {
      const before = this._waiting;
      if (this._fence) this._code(last);
      else if (this._fresh) this._begin(last);
      else this._inline(last);
      if (this._waiting === before) break;
    }
  }

  // Blocks.

  _begin(last) {
    const indent = /^[ \t]*/.exec(this._waiting)[0].length, rest = this._waiting.slice(indent);
    if (rest === "" && !last) return;
    if (rest[0] === "\n" || rest === "") {
      this._waiting = rest.slice(1);
      if (this._block?.kind !== "item") this._close();
      this._blank = true;
      return;
    }
    const found = BLOCK.exec(rest);
    if (!last && (found ? found[0].length === rest.length && !found[5] : MAY_BE_BLOCK.test(rest))) return; // what follows is not known yet
    this._waiting = rest;
    this._fresh = false;
    if (!found) this._continue();
    else {
      this._waiting = rest.slice(found[0].length);
      const [, heading, bullet, count, quote, fence] = found;
      if (heading) this._start("heading", "h" + Math.min(6, heading.length + 2), this._root);
      else if (quote) this._quote();
      else if (fence) this._openFence(fence);
      else this._item(bullet ? "ul" : "ol", count);
    }
    this._blank = false;
    this._before = " ";
  }

  // A line without a mark of its own goes on with the paragraph or the item, or begins a paragraph.
  _continue() {
    if (this._block && this._block.kind !== "heading" && !this._blank) this._text(this._block.kind === "quote" ? "\n" : " ");
    else this._start("text", "p", this._root);
  }

  _quote() {
    if (this._block?.kind === "quote" && !this._blank) this._text("\n");
    else this._start("quote", "blockquote", this._root);
  }

  _item(tag, count) {
    let list = this._root.lastElementChild;
    if (this._block?.kind !== "item" || list?.localName !== tag) {
      this._close();
      list = this._root.appendChild(document.createElement(tag));
      if (count && count !== "1") list.start = Number(count);
    }
    this._start("item", "li", list);
  }

  _openFence(fence) {
    const pre = this._root.appendChild(document.createElement("pre"));
    pre.tabIndex = 0;
    this._start("code", "code", pre);
    this._fence = fence;
    this._fresh = true;
  }

  // Within a fence, a line at a time where it may be the closing one.
  _code(last) {
    const cut = this._waiting.indexOf("\n"), line = cut < 0 ? this._waiting : this._waiting.slice(0, cut);
    const closing = line.trim().length >= this._fence.length && [...line.trim()].every((c) => c === this._fence[0]);
    const mayClose = this._fresh && (line.trim() === "" || [...line.trim()].every((c) => c === this._fence[0]));
    if (cut < 0 && mayClose && !last) return;
    if (closing && this._fresh) {
      this._waiting = this._waiting.slice(cut < 0 ? line.length : cut + 1);
      this._fence = "";
      this._close();
      this._fresh = true;
      return;
    }
    this._append(cut < 0 ? line : line + "\n");
    this._waiting = this._waiting.slice(cut < 0 ? line.length : cut + 1);
    this._fresh = cut >= 0;
  }

  _start(kind, tag, parent) {
    this._close();
    this._block = parent.appendChild(document.createElement(tag));
    this._block.kind = kind;
    if (kind !== "code") this._block.dir = "auto";
  }

  _close() {
    this._block = null;
    this._open = [];
  }

  // Within a line.

  _inline(last) {
    const text = this._waiting, at = text.search(SPECIAL);
    if (at !== 0) {
      this._text(at < 0 ? text : text.slice(0, at));
      this._waiting = at < 0 ? "" : text.slice(at);
      return;
    }
    const inCode = this._open.at(-1)?.localName === "code";
    if (text[0] === "\n") {
      this._waiting = text.slice(1);
      this._fresh = true;
      if (this._block?.kind === "heading") this._close();
      else this._open = this._open.filter((node) => node.localName !== "code");
    } else if (text[0] === "`") {
      if (inCode) this._open.pop();
      else this._nest("code");
      this._skip(1, "`");
    } else if (inCode) this._take1();
    else if (text[0] === "\\") {
      if (text.length < 2 && !last) return;
      this._waiting = text.slice(1);
      if (/[\\`*_[\](){}#+\-.!>~|<]/.test(this._waiting[0] ?? "")) this._take1();
      else this._text("\\");
    } else if (text[0] === "[") this._link(last);
    else this._stars(last);
  }

  _stars(last) {
    const run = /^\*+/.exec(this._waiting)[0], after = this._waiting[run.length];
    if (after === undefined && !last) return;
    const tag = run.length === 1 ? "em" : run.length === 2 ? "strong" : "", open = this._open.findLastIndex((node) => node.localName === tag);
    if (tag && open >= 0 && !/\s/.test(this._before)) {
      this._open.length = open;
      this._skip(run.length, "*");
    } else if (tag && open < 0 && after !== undefined && !/\s/.test(after) && !/[\p{L}\p{N}]/u.test(this._before)) {
      this._nest(tag);
      this._skip(run.length, "(");
    } else {
      this._text(run);
      this._waiting = this._waiting.slice(run.length);
    }
  }

  _link(last) {
    const whole = /^\[([^\][\n]{1,300})\]\(\s*<?([^\s<>()]{1,400})>?\s*\)/.exec(this._waiting);
    if (whole) {
      const [all, name, address] = whole, to = this._before === "!" ? null : safe(address); // an image is nothing to be loaded
      if (to) this._place().append(anchor(name, to));
      else this._text(all);
      return this._skip(all.length, ")");
    }
    const mayBe = /^\[[^\][\n]{0,300}(?:\](?:\([^\s()]{0,400}\s*)?)?$/.test(this._waiting) && this._waiting.length < MOST_WAITING;
    if (mayBe && !last) return;
    this._take1();
  }

  _nest(tag) {
    const node = this._place().appendChild(document.createElement(tag));
    this._open.push(node);
  }

  _skip(length, before) {
    this._waiting = this._waiting.slice(length);
    this._before = before;
  }

  _take1() {
    const first = String.fromCodePoint(this._waiting.codePointAt(0));
    this._text(first);
    this._waiting = this._waiting.slice(first.length);
  }

  _place() {
    if (!this._block) this._start("text", "p", this._root);
    return this._open.at(-1) ?? this._block;
  }

  _text(text) {
    this._append(text);
    this._before = text.at(-1) ?? this._before;
  }

  _append(text) {
    const place = this._place();
    if (place.lastChild?.nodeType === Node.TEXT_NODE) place.lastChild.appendData(text);
    else if (text) place.append(text);
  }
}

// The address, if it is one to go to: https, to a host, without a name and password in it.
function safe(address) {
  if (!/^https:\/\//i.test(address) || !URL.canParse(address)) return null;
  const url = new URL(address);
  return url.protocol === "https:" && url.hostname && !url.username && !url.password ? url : null;
}

function anchor(name, url) {
  const made = document.createElement("a");
  made.href = url.href;
  made.textContent = name;
  made.title = url.href; // where it leads, whatever it is called
  made.target = "_blank";
  made.rel = "noopener noreferrer nofollow";
  return made;
}

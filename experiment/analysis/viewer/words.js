"use strict";
// Pieces, words, weights and differences: no document is touched here.

const SPACE = "\u2581"; // before a piece that begins a word
const BYTE = /^<0x([0-9A-F]{2})>$/; // of a character that the vocabulary lacks

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
}

// What a piece, or the pieces of a word, are in writing.
function writing(pieces) {
  const bytes = [];
  let text = "";
  const flush = () => {
    if (bytes.length) text += new TextDecoder().decode(new Uint8Array(bytes.splice(0)));
  };
  for (const piece of pieces) {
    const byte = BYTE.exec(piece);
    if (byte && pieces.length > 1) {
      bytes.push(parseInt(byte[1], 16));
    } else {
      flush();
      text += piece.replaceAll(SPACE, " ");
    }
  }
  flush();
  return text.trim() || (pieces.join("").includes(SPACE) ? "\u2423" : text);
}

// Pieces -> [{text, from, to}], one for each piece or for each word. `control` is where a piece
// stands that no text has, and `called` its name: what a decoder reads has a start, a sentence an
// end.
function unitsOf({ pieces, control, called }, asWords) {
  const units = [];
  pieces.forEach((piece, place) => {
    const alone = place === control;
    const last = units[units.length - 1];
    if (asWords && last && !alone && !last.alone && !piece.startsWith(SPACE)) last.to = place + 1;
    else units.push({ from: place, to: place + 1, alone });
  });
  for (const unit of units) {
    unit.text = unit.alone
      ? called
      : writing(pieces.slice(unit.from, unit.to));
    unit.inWord = !unit.alone && !pieces[unit.from].startsWith(SPACE) && unit.from > 0;
  }
  return units;
}

// One head's weights between units: the mean over a query's pieces, the sum over a key's.
function between(queries, keys, bytes, first, width) {
  return queries.map((query) => keys.map((key) => {
    let sum = 0;
    for (let t = query.from; t < query.to; t += 1) {
      for (let s = key.from; s < key.to; s += 1) sum += bytes[first + t * width + s];
    }
    return sum / 255 / (query.to - query.from);
  }));
}

// Which words of two texts have no partner in the other: a longest common subsequence has the rest.
function differences(before, after) {
  const [a, b] = [before, after].map((text) => text.split(/\s+/u).filter(Boolean));
  const common = Array.from({ length: a.length + 1 }, () => new Array(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i][j] = a[i] === b[j]
        ? common[i + 1][j + 1] + 1
        : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const [left, right] = [a, b].map((words) => words.map((text) => ({ text, differs: true })));
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) left[i++].differs = right[j++].differs = false;
    else if (common[i + 1][j] >= common[i][j + 1]) i += 1;
    else j += 1;
  }
  return [left, right];
}

function signed(number) {
  const text = Math.abs(number).toFixed(2);
  if (text === "0.00") return "0.00";
  return (number < 0 ? "\u2212" : "+") + text;
}

// What is in the page, what of it is chosen, and the address that says so.

const content = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const WHAT = { output: "own output", reference: "reference", text: "text" };
const kindOf = (kind) => content.kinds.find((each) => each.kind === kind);
const chosen = {
  sentence: 0, kind: (kindOf("cross") || content.kinds[0]).kind, layer: 0, head: 0,
  target: 0, unit: "words", shown: [0], looked: null, pinned: false,
};

const sentence = () => content.sentences[chosen.sentence];
const target = () => sentence().targets[chosen.target] || sentence().targets[0];
const kind = () => kindOf(chosen.kind);
const place = (layer, head) => layer * kind().heads + head;
const change = (layer, head) => target().changes[chosen.kind][place(layer, head)];
const shown = () => chosen.shown || Array.from({ length: kind().heads }, (_, head) => head);

// Which pieces ask and which answer. A decoder's position is called by what is written there.
function axes() {
  const { pieces } = sentence();
  const ended = (its) => ({ pieces: its, control: its.length - 1, called: "end" });
  const read = { ...ended(pieces), title: "the sentence" };
  if (chosen.kind === "encoder") return [{ ...read, title: "each word ..." }, read];
  const { labels, inputs } = target();
  const writes = { ...ended(labels), title: "to write ..." };
  const begun = { pieces: inputs, control: 0, called: "start" };
  const written = { ...begun, title: "what is written so far" };
  return [writes, chosen.kind === "decoder" ? written : read];
}

const decoded = new Map();
function weightsOf(layer, head, asWords) {
  const [queries, keys] = axes();
  const encoded = target().weights[chosen.kind] || sentence().weights[chosen.kind];
  if (!decoded.has(encoded)) decoded.set(encoded, bytesOf(encoded));
  const size = queries.pieces.length * keys.pieces.length;
  const units = [queries, keys].map((axis) => unitsOf(axis, asWords));
  const first = place(layer, head) * size;
  return between(...units, decoded.get(encoded), first, keys.pieces.length);
}

function mostTelling() {
  const changes = target().changes[chosen.kind];
  const least = changes.indexOf(Math.min(...changes));
  [chosen.layer, chosen.head] = [Math.floor(least / kind().heads), least % kind().heads];
  chosen.shown = [chosen.head];
}

// Words, unless a side would be a single one, as in a script that is written without spaces.
function usualUnit() {
  const isOne = (axis) => {
    const words = unitsOf(axis, true).filter((unit) => !unit.alone);
    return words.length === 1 && words[0].to - words[0].from > 1;
  };
  return axes().some(isOne) ? "pieces" : "words";
}

// What is chosen stands behind the # of the address, so that a view can be kept or sent on.
function remember() {
  const state = new URLSearchParams({
    sentence: chosen.sentence + 1, kind: chosen.kind, layer: chosen.layer + 1,
    head: chosen.head + 1, of: target().of, unit: chosen.unit,
    shown: chosen.shown ? chosen.shown.map((head) => head + 1).join(" ") : "all",
  });
  window.history.replaceState(null, "", `#${state}`);
}

function recall() {
  const state = new URLSearchParams(window.location.hash.slice(1));
  const number = (name, size, otherwise) => {
    const value = Number(state.get(name));
    return Number.isInteger(value) && value >= 1 && value <= size ? value - 1 : otherwise;
  };
  chosen.sentence = number("sentence", content.sentences.length, chosen.sentence);
  if (kindOf(state.get("kind"))) chosen.kind = state.get("kind");
  const of = sentence().targets.findIndex((one) => one.of === state.get("of"));
  chosen.target = Math.max(0, of);
  mostTelling();
  chosen.layer = number("layer", kind().layers, chosen.layer);
  chosen.head = number("head", kind().heads, chosen.head);
  const unit = state.get("unit");
  chosen.unit = ["words", "pieces"].includes(unit) ? unit : usualUnit();
  const heads = (state.get("shown") || "").split(" ").map((text) => Number(text) - 1);
  const real = heads.filter((head) => Number.isInteger(head) && head >= 0 && head < kind().heads);
  chosen.shown = state.get("shown") === "all" ? null : real.length ? real : [chosen.head];
}

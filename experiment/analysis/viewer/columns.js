// Two columns of words, and the lines between them.

let weights = []; // of the heads shown: [head][query][key]

function showColumns() {
  const [queries, keys] = axes();
  $("lines-title").textContent = `Layer ${chosen.layer + 1}, ${kind().title}`;
  showChips();
  const sides = { queries, keys };
  for (const [side, axis] of Object.entries(sides)) {
    $(`${side}-title`).textContent = axis.title;
    const units = unitsOf(axis, chosen.unit === "words");
    const buttons = units.map((unit, number) => wordButton(side, unit, number));
    $(side).replaceChildren(...buttons.map((button) => make("li", {}, button)));
    roving(buttons, 1);
  }
  weights = [];
  for (const head of shown()) {
    weights[head] = weightsOf(chosen.layer, head, chosen.unit === "words");
  }
  showLines();
}

function wordButton(side, unit, number) {
  const button = make("button", { type: "button", aria: { pressed: "false" } });
  button.append(make("bdi", { textContent: unit.text }), make("span", { className: "value" }),
    make("span", { className: "bars", aria: { hidden: "true" } }));
  button.classList.toggle("control", unit.alone);
  button.classList.toggle("continued", unit.inWord && chosen.unit === "pieces");
  const look = (pinned) => {
    chosen.looked = { side, place: number };
    chosen.pinned = pinned;
    showLines();
  };
  button.addEventListener("pointerenter", () => { if (!chosen.pinned) look(false); });
  button.addEventListener("focus", () => {
    if (!chosen.pinned && button.matches(":focus-visible")) look(false);
  });
  button.addEventListener("click", () => {
    const own = chosen.looked && chosen.looked.side === side && chosen.looked.place === number;
    if (own && chosen.pinned) lookAway();
    else look(true);
  });
  return button;
}

function lookAway() {
  chosen.looked = null;
  chosen.pinned = false;
  showLines();
}

function showChips() {
  const heads = Array.from({ length: kind().heads }, (_, head) => head);
  const chips = heads.map((head) => {
    const pressed = shown().includes(head);
    const label = `Head ${head + 1}`;
    const chip = make("button", { type: "button", className: "chip", textContent: label });
    chip.setAttribute("aria-pressed", pressed);
    chip.style.setProperty("--own", colour(head));
    chip.addEventListener("click", () => {
      const others = shown().filter((other) => other !== head);
      choose({ shown: pressed ? others : [...others, head].sort((a, b) => a - b) });
      $("chips").children[head].focus();
    });
    return chip;
  });
  const all = make("button", { type: "button", className: "chip all", textContent: "all" });
  all.disabled = shown().length === heads.length;
  all.addEventListener("click", () => choose({ shown: null }));
  $("chips").replaceChildren(...chips, all);
}

function showLines() {
  const heads = shown();
  drawLines($("lines"), $("queries"), $("keys"), heads, weights, chosen.looked);
  const { looked } = chosen;
  const weight = (head, own, other) => (
    looked.side === "queries" ? weights[head][own][other] : weights[head][other][own]);
  for (const side of ["queries", "keys"]) {
    [...$(side).children].forEach((item, number) => {
      const [button] = item.children;
      const own = looked && looked.side === side && looked.place === number;
      button.setAttribute("aria-pressed", Boolean(own && chosen.pinned));
      button.classList.toggle("looked", Boolean(own));
      const values = looked && looked.side !== side
        ? heads.map((head) => [head, weight(head, looked.place, number)]) : [];
      showValues(button, values);
    });
  }
  $("spoken").textContent = spoken(heads);
}

function mean(values) {
  return values.reduce((sum, [, value]) => sum + value, 0) / values.length;
}

// Beside a word: what the heads shown give it: the mean, in figures and as a bar of their parts.
function showValues(button, values) {
  const [, figure, bars] = button.children;
  figure.textContent = values.length && mean(values) >= 0.005 ? mean(values).toFixed(2) : "";
  const seen = values.filter(([, value]) => value >= 0.005);
  bars.replaceChildren(...seen.map(([head, value]) => {
    const bar = make("i");
    bar.style.setProperty("width", `${((100 * value) / values.length).toFixed(1)}%`);
    bar.style.setProperty("background", colour(head));
    return bar;
  }));
}

function spoken(heads) {
  if (!heads.length) return "No head is shown: choose one above.";
  if (!chosen.looked) return "Point at a word to see its lines alone; press it to keep them.";
  const { side, place: own } = chosen.looked;
  const other = side === "queries" ? "keys" : "queries";
  const text = (item) => `“${item.querySelector("bdi").textContent}”`;
  const value = (item) => Number(item.querySelector(".value").textContent);
  const seen = [...$(other).children].filter((item) => value(item) >= 0.05);
  seen.sort((a, b) => value(b) - value(a));
  const list = seen.slice(0, 4).map((item) => `${text(item)} ${value(item).toFixed(2)}`);
  const verb = side === "queries" ? "looks at" : "is looked at by";
  const of = heads.length > 1 ? `, mean of ${heads.length} heads` : `, head ${heads[0] + 1}`;
  return `${text($(side).children[own])} ${verb} ${list.join(", ") || "nothing much"}${of}`;
}

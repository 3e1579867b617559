// All heads in small, and the model without one of them.

function showGrid() {
  const { layers, heads } = kind();
  const of = WHAT[target().of];
  const maps = target().changes[chosen.kind].map((_, number) => (
    weightsOf(Math.floor(number / heads), number % heads, false)));
  const most = maps.flat(2).reduce((one, other) => Math.max(one, other));
  $("heads-note").textContent = "Layers downwards, heads across. In each, rows ask and columns "
    + `answer; the darkest is ${most.toFixed(2)}. Below it: how the log-probability of the ${of} `
    + "changes without this head. Press one to remove it.";
  const worst = Math.max(0.01, ...target().changes[chosen.kind].map(Math.abs));
  const focused = document.activeElement && document.activeElement.closest("#grid");
  const cells = [make("span")];
  const buttons = [];
  for (let head = 0; head < heads; head += 1) cells.push(make("b", { textContent: head + 1 }));
  for (let layer = 0; layer < layers; layer += 1) {
    const title = make("b", { textContent: layer + 1, className: "layer" });
    title.classList.toggle("current", layer === chosen.layer);
    cells.push(title);
    for (let head = 0; head < heads; head += 1) {
      buttons.push(headButton(layer, head, worst, maps[place(layer, head)]));
      cells.push(buttons[buttons.length - 1]);
    }
  }
  $("grid").style.setProperty("--heads", heads);
  $("grid").replaceChildren(...cells);
  buttons.forEach((button, number) => {
    paint(button.querySelector("canvas"), maps[number], most);
  });
  roving(buttons, heads, place(chosen.layer, chosen.head));
  if (focused) buttons[place(chosen.layer, chosen.head)].focus();
}

function headButton(layer, head, worst, map) {
  const own = change(layer, head);
  const bar = make("i", { className: own > 0 ? "gain" : "" });
  bar.style.setProperty("width", `${((100 * Math.abs(own)) / worst).toFixed(1)}%`);
  const name = `Layer ${layer + 1}, head ${head + 1}`;
  const button = make("button", {
    type: "button", className: "head", title: name,
    aria: { label: `${name}: ${signed(own)} nats without it` },
  }, heatMap(head, map),
  make("span", { className: "bars" }, bar), make("span", { textContent: signed(own) }));
  button.setAttribute("aria-pressed", layer === chosen.layer && head === chosen.head);
  button.addEventListener("click", () => choose({ layer, head, shown: [head] }));
  return button;
}

function showRemoved() {
  const { layer, head } = chosen;
  $("removed-title").textContent = `Without head ${head + 1} of layer ${layer + 1}, ${kind().title}`;
  const row = (name, ...children) => make("div", {}, make("dt", { textContent: name }),
    make("dd", { dir: "auto" }, ...children));
  const rows = [];
  const { source, reference, output, outputs } = sentence();
  if (source) rows.push(row("sentence", source));
  if (source && reference !== null) rows.push(row("reference", reference));
  if (outputs) {
    const other = outputs[chosen.kind][place(layer, head)];
    const [before, after] = differences(output, other === null ? output : other);
    rows.push(row("whole model", ...marked(before, "del")));
    rows.push(row("without it", ...marked(after, "ins"), make("small", {
      dir: "ltr", textContent: other === null ? "the same" : "",
    })));
  }
  $("outputs").replaceChildren(make("dl", {}, ...rows));
  $("chances").tBodies[0].replaceChildren(...sentence().targets.map((one) => {
    const difference = one.changes[chosen.kind][place(layer, head)];
    const figures = [one.log_prob, one.log_prob + difference].map((value) => value.toFixed(2));
    const cells = [...figures.map((text) => text.replace("-", "\u2212")), signed(difference)];
    return make("tr", {}, make("th", { scope: "row", textContent: WHAT[one.of] }),
      ...cells.map((textContent) => make("td", { textContent })));
  }));
}

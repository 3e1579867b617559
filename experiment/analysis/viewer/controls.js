// Sentences to find one among, and the switches.

function showList() {
  const typed = $("search").value.trim();
  const parts = typed.toLowerCase().split(/\s+/u);
  const matching = content.sentences.flatMap((each, number) => {
    const text = [each.source, ...each.targets.map((one) => one.text)].join(" ").toLowerCase();
    return parts.every((part) => text.includes(part)) ? [number] : [];
  });
  $("list").replaceChildren(...matching.map((number) => {
    const each = content.sentences[number];
    const radio = make("input", { type: "radio", name: "sentence", value: number });
    radio.checked = number === chosen.sentence;
    radio.addEventListener("change", () => choose({ sentence: number }));
    const first = make("span", { dir: "auto", textContent: each.source || each.targets[0].text });
    const second = each.source && each.reference !== null ? each.reference : "";
    return make("label", {}, radio, first, make("small", { dir: "auto", textContent: second }));
  }));
  const all = content.sentences.length;
  $("found").textContent = !typed ? `${all} ${all === 1 ? "sentence" : "sentences"}`
    : matching.length ? `${matching.length} of ${all}` : "This sentence is not in this page.";
  $("absent").hidden = !typed || matching.length > 0;
  $("absent-with").textContent = content.add.with;
  const quoted = `'${typed.replaceAll("'", "'\\''")}'`;
  $("absent-command").textContent = content.add.before + quoted + content.add.after;
  return matching;
}

function showControls() {
  const option = (value, label, title) => ({ value, label, title });
  const kinds = content.kinds.map((each) => (
    option(each.kind, each.title.replace("-attention", ""), each.title)));
  choice($("kinds"), "kind", kinds, chosen.kind, (value) => {
    choose({ kind: value }, mostTelling);
  });
  const layers = Array.from({ length: kind().layers }, (_, layer) => option(layer, layer + 1));
  choice($("layers"), "layer", layers, chosen.layer, (layer) => choose({ layer }));
  const targets = sentence().targets.map((one, number) => option(number, WHAT[one.of]));
  choice($("targets"), "target", targets, chosen.target, (number) => choose({ target: number }));
  const units = [option("words", "words"), option("pieces", "pieces")];
  choice($("units"), "unit", units, chosen.unit, (unit) => choose({ unit }));
}

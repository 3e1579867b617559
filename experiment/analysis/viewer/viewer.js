// Whatever is chosen, all is shown again.

function choose(changes, then = () => {}) {
  Object.assign(chosen, changes, { looked: null, pinned: false });
  then();
  show();
  remember();
}

function show() {
  const focused = document.activeElement;
  const back = focused && focused.name && `input[name="${focused.name}"]:checked`;
  chosen.target = Math.min(chosen.target, sentence().targets.length - 1);
  for (const radio of $("list").querySelectorAll("input")) {
    radio.checked = Number(radio.value) === chosen.sentence;
  }
  showControls();
  showColumns();
  showGrid();
  showRemoved();
  if (back && document.querySelector(back)) document.querySelector(back).focus();
}

$("run").textContent = content.run.name;
$("facts").textContent = content.run.facts.join(" · ");
document.title = `Attention of ${content.run.name}`;
$("search").addEventListener("input", showList);
$("search").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  const [first] = showList();
  if (first !== undefined) choose({ sentence: first });
});
$("columns").addEventListener("pointerleave", () => { if (!chosen.pinned) lookAway(); });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") lookAway(); });
window.addEventListener("resize", showLines);
window.addEventListener("hashchange", () => {
  // The address of a place in the page, such as the skip link's, chooses nothing.
  if (!new URLSearchParams(window.location.hash.slice(1)).has("sentence")) {
    remember();
    return;
  }
  recall();
  show();
});
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
recall();
showList();
show();

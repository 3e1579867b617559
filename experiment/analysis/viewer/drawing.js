// What is drawn: elements, lines between words, small pictures of heads. Text is set as text only.

const LEAST = 0.03; // a line of less could not be seen

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  const { data = {}, aria = {}, ...others } = properties;
  for (const [name, value] of Object.entries(data)) element.dataset[name] = value;
  for (const [name, value] of Object.entries(aria)) element.setAttribute(`aria-${name}`, value);
  Object.assign(element, others);
  element.append(...children);
  return element;
}

function colour(head) {
  return `var(--head-${head % 8})`;
}

// A group of radio buttons that look like one switch.
function choice(place, name, options, chosen, choose) {
  place.hidden = options.length < 2;
  place.replaceChildren(...options.map(({ value, label, title }) => {
    const radio = make("input", { type: "radio", name, value, checked: value === chosen });
    radio.addEventListener("change", () => choose(value));
    return make("label", { title: title || "" }, radio, make("span", { textContent: label }));
  }));
}

// Arrow keys go from button to button; the Tab key meets only one of them.
function roving(buttons, columns, current = 0) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  buttons.forEach((button, place) => {
    button.tabIndex = place === Math.min(current, buttons.length - 1) ? 0 : -1;
    button.addEventListener("keydown", (event) => {
      const to = { Home: 0, End: buttons.length - 1 }[event.key] ?? place + steps[event.key];
      if (!buttons[to]) return;
      event.preventDefault();
      buttons.forEach((other) => { other.tabIndex = other === buttons[to] ? 0 : -1; });
      buttons[to].focus();
    });
  });
}

// Lines from the middle of each query to the middle of each key.
function drawLines(svg, queries, keys, heads, weights, looked) {
  const box = svg.getBoundingClientRect();
  const middle = (item) => {
    const own = item.getBoundingClientRect();
    return own.top + own.height / 2 - box.top;
  };
  const [from, to] = [[...queries.children].map(middle), [...keys.children].map(middle)];
  const paths = [];
  heads.forEach((head, order) => {
    const shift = (order - (heads.length - 1) / 2) * Math.min(3, 14 / heads.length);
    weights[head].forEach((row, t) => row.forEach((weight, s) => {
      const seen = !looked || (looked.side === "queries" ? looked.place === t : looked.place === s);
      if (weight < LEAST || !seen) return;
      const path = document.createElementNS(svg.namespaceURI, "path");
      const [start, end, half] = [from[t] + shift, to[s] + shift, box.width / 2];
      path.setAttribute("d", `M0 ${start}C${half} ${start} ${half} ${end} ${box.width} ${end}`);
      path.setAttribute("stroke-opacity", Math.min(1, weight).toFixed(3));
      path.style.setProperty("stroke", colour(head));
      paths.push(path);
    }));
  });
  svg.replaceChildren(...paths);
}

// A head in small: a row a query, a column a key.
function heatMap(head, weights) {
  const canvas = make("canvas", { width: weights[0].length, height: weights.length });
  canvas.setAttribute("aria-hidden", "true");
  canvas.style.setProperty("color", colour(head));
  return canvas;
}

// Fills a canvas, once it is in the page and its colour is known; a weight of `most` is darkest.
function paint(canvas, weights, most) {
  const [red, green, blue] = getComputedStyle(canvas).color.match(/\d+/g).map(Number);
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  weights.flat().forEach((weight, place) => {
    picture.data.set([red, green, blue, Math.round((255 * weight) / most)], 4 * place);
  });
  context.putImageData(picture, 0, 0);
}

// The words of a text, with those that differ marked by `tag`, which readers announce.
function marked(words, tag) {
  if (!words.length) return [make("em", { textContent: "nothing" })];
  return words.flatMap(({ text, differs }) => [
    make(differs ? tag : "span", { textContent: text }), " ",
  ]);
}

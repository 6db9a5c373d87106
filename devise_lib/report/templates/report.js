// Searches the words and photos that the page carries. Nothing is fetched.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("search-data").textContent);
  const MOST = 12; // photos of an answer
  const byId = new Map(data.photos.map((photo, row) => [photo.id, row]));
  const rowOfWord = new Map(data.words.map((word, row) => [word, row]));
  const wordVectors = unitVectors(data.wordVectors);
  const photoVectors = unitVectors(data.photoVectors);
  const pictures = new Map(); // data URIs by row of the photo
  const form = document.getElementById("search");
  const input = document.getElementById("query");
  const status = document.getElementById("status");
  const results = document.getElementById("results");
  const dialog = document.getElementById("near");
  const mosaic = new Image();

  // Rows of int8 in base64 -> unit vectors. Steps of int8 keep directions, not lengths.
  function unitVectors(base64) {
    const bytes = Int8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const vectors = [];
    for (let at = 0; at < bytes.length; at += data.dimension) {
      vectors.push(unit(Float64Array.from(bytes.subarray(at, at + data.dimension))));
    }
    return vectors;
  }

  function unit(vector) {
    const length = Math.sqrt(dot(vector, vector));
    return length > 1e-9 ? vector.map((number) => number / length) : vector.fill(0);
  }

  function dot(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i += 1) sum += a[i] * b[i];
    return sum;
  }

  function addMean(sum, terms, weight) {
    for (const term of terms) {
      const vector = wordVectors[rowOfWord.get(term)];
      for (let i = 0; i < sum.length; i += 1) sum[i] += (weight * vector[i]) / terms.length;
    }
  }

  // The words of a text as the word vectors have them: lower case, without the possessive 's.
  function wordsOf(text) {
    const plain = text.normalize("NFC").toLowerCase().replace(/[\u2019\u2018]/g, "'");
    return plain.replace(/'s(?![\p{L}\p{N}])/gu, "").match(/[\p{L}\p{N}\p{M}]+(?:'[\p{L}\p{N}\p{M}]+)*/gu) || [];
  }

  // From left to right, the longest phrase that is known is one term.
  function splitTerms(words) {
    const terms = [], unknown = [];
    for (let at = 0; at < words.length; ) {
      let stop = Math.min(at + data.longestPhrase, words.length);
      while (stop > at && !rowOfWord.has(words.slice(at, stop).join("_"))) stop -= 1;
      if (stop === at) unknown.push(words[at]);
      else terms.push(words.slice(at, stop).join("_"));
      at = Math.max(stop, at + 1);
    }
    return { terms, unknown };
  }

  function parse(text) {
    const wanted = [], unwanted = [];
    for (const part of text.split(/\s+/)) {
      (/^[-\u2212]/.test(part) ? unwanted : wanted).push(...wordsOf(part));
    }
    const yes = splitTerms(wanted), no = splitTerms(unwanted);
    return { terms: yes.terms, not: no.terms, unknown: [...yes.unknown, ...no.unknown] };
  }

  function edits(a, b) {
    let before = Array.from({ length: b.length + 1 }, (_, i) => i);
    for (let i = 1; i <= a.length; i += 1) {
      const row = [i];
      for (let j = 1; j <= b.length; j += 1) {
        row.push(Math.min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a[i - 1] !== b[j - 1])));
      }
      before = row;
    }
    return before[b.length];
  }

  // Known words that are spelt like an unknown one, the most alike first.
  function speltLike(word) {
    const most = Math.ceil(word.length / 3);
    return data.words
      .filter((other) => Math.abs(other.length - word.length) <= most)
      .map((other) => [edits(word, other), other])
      .filter(([distance]) => distance <= most)
      .sort((a, b) => a[0] - b[0])
      .slice(0, 3)
      .map(([, other]) => other);
  }

  function nearest(vector, except) {
    return photoVectors
      .map((photo, row) => ({ row, score: dot(photo, vector) }))
      .filter(({ row }) => row !== except)
      .sort((a, b) => b.score - a.score || a.row - b.row)
      .slice(0, MOST);
  }

  // What a photo shows, as its text for those who do not see it.
  function named(photo) {
    return photo.label ? `a photo labelled ${photo.label}` : `a photo without a label, ${photo.file}`;
  }

  // The address of a photo's picture: that of a gallery, or a piece of the mosaic.
  function pictureOf(row) {
    if (!pictures.has(row)) {
      const side = data.tileSide, tile = data.photos[row].tile, columns = mosaic.naturalWidth / side;
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = side;
      const x = (tile % columns) * side, y = Math.floor(tile / columns) * side;
      canvas.getContext("2d").drawImage(mosaic, x, y, side, side, 0, 0, side, side);
      pictures.set(row, canvas.toDataURL("image/png"));
    }
    return pictures.get(row);
  }

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function pictureElement(row) {
    const photo = data.photos[row];
    const side = data.tileSide;
    return make("img", { src: pictureOf(row), alt: named(photo), width: side, height: side });
  }

  function shotElement({ row, score }) {
    const photo = data.photos[row];
    const button = make("button", { type: "button", class: "pick", "data-photo": photo.id }, pictureElement(row));
    const name = make("span", {}, photo.label || photo.file);
    const truth = make("span", { class: "truth" }, name, " ", make("span", { class: "num" }, score.toFixed(2)));
    return make("li", { class: "shot" }, button, truth);
  }

  function showNear(id) {
    const row = byId.get(id);
    const photo = data.photos[row];
    const title = make("h2", { id: "near-title", tabindex: "-1" }, photo.label || "A photo without a label");
    const close = make("button", { type: "button", class: "close", "data-close": "" }, "Close");
    const about = make("p", { class: "help" }, `${photo.file}. Below are the photos of this page that are nearest to it, with their cosines.`);
    const head = make("div", { class: "near-head" }, pictureElement(row), make("div", {}, title, about, close));
    const list = make("ul", { class: "strip", "aria-label": "Near photos" });
    list.append(...nearest(photoVectors[row], row).map(shotElement));
    dialog.replaceChildren(head, list);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    title.focus();
  }

  function answer() {
    const { terms, not, unknown } = parse(input.value);
    const sum = new Float64Array(data.dimension);
    addMean(sum, terms, 1);
    addMean(sum, not, -data.unwantedWeight);
    const vector = unit(sum);
    const found = terms.length && vector.some((number) => number !== 0) ? nearest(vector) : [];
    const says = [];
    if (found.length) {
      const quoted = (term) => `\u201c${term.replaceAll("_", " ")}\u201d`;
      const names = [...terms.map(quoted), ...not.map((term) => `not ${quoted(term)}`)];
      says.push(`The ${found.length} photos nearest to ${names.join(", ")}.`);
    } else if (terms.length) {
      says.push("The words cancel out: give fewer words.");
    } else if (not.length) {
      says.push("Give a word to search for, beside those to subtract.");
    }
    status.replaceChildren(says.join(" "));
    for (const word of unknown) {
      const spelt = speltLike(word);
      status.append(` The page does not know \u201c${word}\u201d.`, spelt.length ? " Did you mean" : "");
      for (const other of spelt) {
        const name = other.replaceAll("_", " ");
        status.append(" ", make("button", { type: "button", "data-instead": word, "data-word": name }, name));
      }
      status.append(spelt.length ? "?" : "");
    }
    results.replaceChildren(...found.map(shotElement));
    status.scrollIntoView({ block: "nearest" });
  }

  function ask(text) {
    input.value = text;
    answer();
  }

  function photoOf(target) {
    const element = target.closest("[data-photo]");
    return element && byId.has(element.dataset.photo) ? element : null;
  }

  document.addEventListener("click", (event) => {
    const { query, instead, word, close } = event.target.dataset;
    const photo = photoOf(event.target);
    if (query !== undefined) ask(query);
    else if (instead !== undefined) {
      ask(input.value.split(/(\s+)/).map((part) => (wordsOf(part).includes(instead) ? part.toLowerCase().replace(instead, word) : part)).join(""));
      input.focus();
    } else if (close !== undefined || event.target === dialog) dialog.close();
    else if (photo) showNear(photo.dataset.photo);
  });
  document.addEventListener("keydown", (event) => {
    const photo = photoOf(event.target);
    const isPress = event.key === "Enter" || event.key === " ";
    if (photo && isPress && photo.tagName.toLowerCase() !== "button") {
      event.preventDefault();
      showNear(photo.dataset.photo);
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    answer();
  });
  let waiting = 0;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(answer, 200);
  });

  // The map: a photo shows its picture while it is pointed at or has the focus. One of the photos
  // is a stop of the Tab key, and the arrow keys lead from there to the next one on their side.
  function openMap(map) {
    const svg = map.querySelector("svg");
    const card = map.querySelector(".card");
    const points = [...map.querySelectorAll(".point")].filter((point) => byId.has(point.dataset.photo));
    let current = points[0];
    if (!current) return;
    for (const point of points) {
      const photo = data.photos[byId.get(point.dataset.photo)];
      point.querySelector("title").remove();
      point.setAttribute("role", "button");
      point.setAttribute("aria-label", named(photo));
      point.setAttribute("tabindex", point === current ? "0" : "-1");
    }
    document.querySelector(".keys").hidden = false;

    function show(point) {
      const row = byId.get(point.dataset.photo);
      card.replaceChildren(pictureElement(row), make("span", {}, data.photos[row].label || data.photos[row].file));
      card.hidden = false;
      const at = point.getBoundingClientRect(), frame = map.getBoundingClientRect();
      const x = at.left + at.width / 2 - frame.left, above = at.top - frame.top - card.offsetHeight - 8;
      const left = Math.max(0, Math.min(x - card.offsetWidth / 2, frame.width - card.offsetWidth));
      card.style.left = `${left}px`;
      card.style.top = `${above < 0 ? at.bottom - frame.top + 8 : above}px`;
    }
    function hide() {
      card.hidden = true;
    }
    function next(from, dx, dy) {
      const box = (point) => point.getBoundingClientRect();
      const start = box(from);
      let best = null, least = Infinity;
      for (const point of points) {
        const x = box(point).left - start.left, y = box(point).top - start.top;
        const along = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
        if (along > 0.5 && along + 2 * aside < least) [best, least] = [point, along + 2 * aside];
      }
      return best;
    }

    svg.addEventListener("pointerover", (event) => {
      const point = event.target.closest(".point");
      if (point && points.includes(point)) show(point);
    });
    svg.addEventListener("pointerout", hide);
    svg.addEventListener("focusin", (event) => {
      current.setAttribute("tabindex", "-1");
      current = event.target.closest(".point");
      current.setAttribute("tabindex", "0");
      show(current);
    });
    svg.addEventListener("focusout", hide);
    map.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      next(current, ...step)?.focus();
    });
  }

  function start() {
    for (const image of document.querySelectorAll("main img[data-photo]")) {
      const row = byId.get(image.dataset.photo);
      if (row === undefined) continue;
      pictures.set(row, image.src);
      image.setAttribute("tabindex", "0");
      image.setAttribute("role", "button");
      image.setAttribute("aria-haspopup", "dialog");
    }
    form.hidden = false;
    const map = document.querySelector(".map");
    if (map) openMap(map);
    document.documentElement.dataset.ready = "";
  }

  if (data.mosaic) {
    mosaic.src = data.mosaic;
    mosaic.decode().then(start);
  } else start();
})();

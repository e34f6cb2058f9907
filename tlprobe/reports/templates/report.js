"use strict";
// Tables sort by a click, or by Enter and Space, on a column's name; without this script they are as they stand.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.title = "Sort by this column";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sortBy(table.tBodies[0], column, down ? -1 : 1);
    });
  });
}

function sortBy(body, column, direction) {
  const rows = [...body.rows].map((row) => {
    const cell = row.cells[column];
    const value = cell.dataset.value === undefined ? NaN : Number(cell.dataset.value);
    return { row, value, text: cell.textContent, empty: cell.textContent === "\u2014" };
  });
  rows.sort((a, b) => {
    if (a.empty !== b.empty) return a.empty ? 1 : -1; // what is missing comes last, whatever the direction
    const numbers = !Number.isNaN(a.value) && !Number.isNaN(b.value);
    const order = numbers ? a.value - b.value : a.text.localeCompare(b.text, "en", { numeric: true });
    return direction * order;
  });
  body.append(...rows.map((entry) => entry.row));
}

// One sound at a time.
document.addEventListener("play", (event) => {
  for (const sound of document.querySelectorAll("audio")) if (sound !== event.target) sound.pause();
}, true);

// On paper, all that is folded is open.
let opened = [];
window.addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const part of opened) part.open = true;
});
window.addEventListener("afterprint", () => {
  for (const part of opened) part.open = false;
});

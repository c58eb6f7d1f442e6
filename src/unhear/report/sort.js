"use strict";
// A click on a column's head sorts by it: numbers by size, then texts, then what is missing.
const sortKey = (row, column) => {
  const cell = row.cells[column];
  const text = cell.textContent.trim();
  // A figure with its interval, or with a second one, goes by the first.
  const [, sign, size] = text.match(/^([−+-]?)(\d+(?:\.\d+)?)(?: [(/].*)?$/) ?? [];
  const read = text.startsWith("–") ? "NaN" : size && `${sign === "−" ? "-" : sign}${size}`;
  const found = cell.dataset.number ?? read;
  if (found === undefined) return [1, text];
  const number = Number(found);
  return Number.isNaN(number) ? [2, 0] : [0, number];
};
const sortTable = (head) => {
  const direction = head.ariaSort === "ascending" ? -1 : 1;
  const body = head.closest("table").tBodies[0];
  const keyed = [...body.rows].map((row) => [sortKey(row, head.cellIndex), row]);
  keyed.sort(([[kind, one]], [[otherKind, other]]) => {
    if (kind !== otherKind) return kind === 2 ? 1 : otherKind === 2 ? -1 : direction * (kind - otherKind);
    if (kind === 1) return direction * one.localeCompare(other, "en", { numeric: true });
    return direction * (one > other ? 1 : one < other ? -1 : 0);
  });
  for (const each of head.parentNode.cells) each.ariaSort = null;
  head.ariaSort = direction === 1 ? "ascending" : "descending";
  body.append(...keyed.map(([, row]) => row));
};
for (const head of document.querySelectorAll(".sortable thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  button.addEventListener("click", () => sortTable(head));
  head.append(button);
}

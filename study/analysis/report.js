// What the report's page does beyond being read: commands are copied, pictures enlarged, the trials sorted and filtered.
// All that comes from a study reaches the page as text nodes, so nothing in it is obeyed.
"use strict";

(() => {
  const ROWS_A_PAGE = 100;
  const NOTHING = "—";

  const counted = (number) => number.toLocaleString("en");

  function make(tag, properties, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  function button(text, className, onClick) {
    const made = make("button", { type: "button", className }, text);
    made.addEventListener("click", onClick);
    return made;
  }

  // --- commands -------------------------------------------------------------------------------------------------------

  async function copy(code) {
    try {
      await navigator.clipboard.writeText(code.textContent);
      return "Copied";
    } catch {
      getSelection().selectAllChildren(code);  // a page opened from disk may not be given the clipboard
      return document.execCommand("copy") ? "Copied" : "Selected, press Ctrl+C";
    }
  }

  function offerCopies() {
    for (const block of document.querySelectorAll("pre")) {
      const told = make("span", { className: "told" });
      told.setAttribute("role", "status");
      const offer = button("Copy", "copy", async () => {
        told.textContent = await copy(block.firstElementChild);
        setTimeout(() => told.replaceChildren(), 4000);
      });
      block.after(make("div", { className: "copying" }, offer, told));
    }
  }

  // --- pictures -------------------------------------------------------------------------------------------------------

  function offerEnlarging() {
    const card = make("div", { className: "card" });
    const dialog = make("dialog", { className: "lightbox" }, card);
    dialog.setAttribute("aria-label", "Enlarged picture");
    dialog.prepend(button("Close", "close", () => dialog.close()));
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => dialog.open || card.replaceChildren());
    document.body.append(dialog);
    for (const picture of document.querySelectorAll("figure img")) {
      const enlarge = () => {
        card.replaceChildren(picture.cloneNode());
        dialog.showModal();
      };
      picture.addEventListener("click", enlarge);
      picture.closest("figure").append(button("Enlarge", "enlarge", enlarge));
    }
  }

  // --- the table of trials --------------------------------------------------------------------------------------------

  class TrialTable {
    constructor(table, columns) {
      this.table = table;
      this.columns = columns;
      this.states = columns.find((column) => column.name === "state");
      this.left = new Set();  // states that are left out, by their places in the column
      this.words = [];
      this.order = this.states.rows.map((_, row) => row);
      this.sorting = "";
      this.page = 0;
      this.status = make("p", { className: "note" });
      this.status.setAttribute("role", "status");
      this.pager = make("div", { className: "pager" });
      this.pager.append(
        (this.back = button("Previous", "", () => this.turn(-1))),
        (this.forth = button("Next", "", () => this.turn(1))),
      );
      const region = table.closest(".wide");
      region.before(this.controls(), this.status);
      region.after(this.pager);
      this.headings = [...table.tHead.rows[0].cells];
      this.headings.forEach((heading, place) => {
        const name = heading.textContent;
        heading.replaceChildren(button(name, "sort", () => this.sort(place)));
        if (name === "rank") heading.setAttribute("aria-sort", "ascending");
      });
      this.show();
    }

    text(column, row) {
      const place = column.rows[row];
      return place < 0 ? NOTHING : column.values[place];
    }

    // Controls ---------------------------------------------------------------

    controls() {
      const field = make("input", { type: "search", id: "trial-find", placeholder: "unet  epochs=12", autocomplete: "off" });
      field.addEventListener("input", () => {
        this.words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
        this.restart();
      });
      const label = make("label", { htmlFor: field.id }, "Find words, or name=value");
      const boxes = make("fieldset", {}, make("legend", {}, "State"));
      this.states.values.forEach((state, place) => boxes.append(this.box(state, place)));
      return make("div", { className: "controls" }, make("div", {}, label, field), boxes);
    }

    box(state, place) {
      const count = this.states.rows.filter((value) => value === place).length;
      const box = make("input", { type: "checkbox", checked: true, value: state });
      box.addEventListener("change", () => {
        box.checked ? this.left.delete(place) : this.left.add(place);
        this.restart();
      });
      return make("label", {}, box, ` ${state} (${counted(count)})`);
    }

    // Order and choice -------------------------------------------------------

    sort(place) {
      const heading = this.headings[place];
      const direction = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      this.headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", direction);
      const { rows, name } = this.columns[place];
      const sign = direction === "ascending" ? 1 : -1;
      this.order.sort((a, b) => {
        const [x, y] = [rows[a], rows[b]];
        if (x === y) return a - b;
        if (x < 0 || y < 0) return x < 0 ? 1 : -1;  // what has no value comes last in either direction
        return sign * (x - y);
      });
      this.sorting = `, sorted by ${name}, ${direction}`;
      this.restart();
    }

    isWanted(row) {
      if (this.left.has(this.states.rows[row])) return false;
      const { texts, pairs } = this.words.length ? this.searched(row) : {};
      return this.words.every((word) => word.includes("=") ? pairs.includes(`\n${word}\n`) : texts.includes(word));
    }

    // A row in small letters, made when it is first looked for.
    searched(row) {
      this.found ??= [];
      return (this.found[row] ??= {
        texts: this.columns.map((column) => this.text(column, row)).join("\n").toLowerCase(),
        pairs: `\n${this.columns.map((column) => `${column.name}=${this.text(column, row)}`).join("\n")}\n`.toLowerCase(),
      });
    }

    // What is shown ----------------------------------------------------------

    restart() {
      this.page = 0;
      this.show();
    }

    turn(pages) {
      const last = Math.max(Math.ceil(this.wanted.length / ROWS_A_PAGE) - 1, 0);
      this.page = Math.min(Math.max(this.page + pages, 0), last);
      this.show();
    }

    show() {
      this.wanted = this.order.filter((row) => this.isWanted(row));
      const first = this.page * ROWS_A_PAGE;
      const shown = this.wanted.slice(first, first + ROWS_A_PAGE);
      this.table.tBodies[0].replaceChildren(...shown.map((row) => this.line(row)));
      const all = this.order.length;
      const [found, last] = [this.wanted.length, first + shown.length];
      const part = shown.length < found ? `${counted(first + 1)} to ${counted(last)} of ` : "";
      const matching = found < all ? `${counted(found)} that match, of ${counted(all)}` : counted(all);
      this.status.textContent = `Showing ${part}${matching} ${all === 1 ? "trial" : "trials"}${this.sorting}.`;
      this.pager.hidden = found <= ROWS_A_PAGE;
      this.back.setAttribute("aria-disabled", String(this.page === 0));
      this.forth.setAttribute("aria-disabled", String(last >= found));
    }

    line(row) {
      return make("tr", {}, ...this.columns.map((column, place) => {
        const cell = make(place ? "td" : "th", { className: column.words ? "text" : "" }, this.text(column, row));
        if (!place) cell.scope = "row";
        return cell;
      }));
    }
  }

  offerCopies();
  offerEnlarging();
  const data = document.getElementById("trial-data");
  if (data) new TrialTable(document.getElementById("trial-table"), JSON.parse(data.textContent).columns);
})();

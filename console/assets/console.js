// Keyboard shortcuts; every page works without them.
"use strict";
(() => {
  const places = { h: "/", o: "/orders", c: "/cases", b: "/bridges", n: "/connections", s: "/schedules", j: "/journal", r: "/reports/sales" };
  const rows = () => Array.from(document.querySelectorAll("[data-row]"))
    .filter((row) => row.offsetParent !== null);
  let current = -1;
  let waitsForPlace = false;

  const typing = (target) =>
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName));

  const move = (step) => {
    const all = rows();
    if (all.length === 0) return;
    if (all[current]) all[current].classList.remove("is-current");
    current = Math.min(Math.max(current + step, 0), all.length - 1);
    all[current].classList.add("is-current");
    all[current].scrollIntoView({ block: "nearest" });
    const link = all[current].querySelector("a");
    if (link) link.focus({ preventScroll: true });
  };

  const help = () => {
    const dialog = document.getElementById("help");
    if (!dialog) return;
    if (dialog.open) dialog.close();
    else dialog.showModal();
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (waitsForPlace) {
      waitsForPlace = false;
      const place = places[event.key];
      if (place) {
        event.preventDefault();
        location.assign(place);
      }
      return;
    }
    switch (event.key) {
      case "/": {
        const search = document.querySelector("[data-search]");
        if (search) {
          event.preventDefault();
          search.focus();
          search.select();
        }
        break;
      }
      case "g":
        waitsForPlace = true;
        setTimeout(() => { waitsForPlace = false; }, 1500);
        break;
      case "j":
        move(1);
        break;
      case "k":
        move(-1);
        break;
      case "?":
        event.preventDefault();
        help();
        break;
      default:
    }
  });
})();

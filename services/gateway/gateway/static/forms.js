// A form that makes something is sent once, whatever is clicked meanwhile; without scripts the server sees to the same, but an answer that
// is shown this once would be lost to the second click.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.elements.once) return;
  if ("sent" in form.dataset) event.preventDefault();
  form.dataset.sent = "";
});

// Whoever comes back to the page may send it again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

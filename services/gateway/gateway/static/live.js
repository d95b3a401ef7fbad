// What the server tells of a list goes into the page as it comes (server-sent events): `data-live` says where it is told,
// `data-live-list` where it goes, `data-live-on` and `data-live-off` are shown while it is told and while it is not.
// At the `end` there is nothing more to be told, and the page is loaded anew.
// A window that nobody sees listens to nothing: a browser keeps only a few connections to one host.
for (const region of document.querySelectorAll("[data-live]")) {
  const list = region.querySelector("[data-live-list]");
  let source = null, again = 0, failed = 0;

  function show(live) {
    for (const each of region.querySelectorAll("[data-live-on]")) each.hidden = !live;
    for (const each of region.querySelectorAll("[data-live-off]")) each.hidden = live;
  }

  function stop() {
    clearTimeout(again);
    source?.close();
  }

  function listen() {
    stop();
    if (document.hidden) return;
    source = new EventSource(region.dataset.live);
    source.addEventListener("open", () => { failed = 0; show(true); });
    source.addEventListener("list", (told) => { list.innerHTML = told.data; });
    source.addEventListener("end", () => { stop(); location.reload(); });
    source.addEventListener("error", () => {
      // A stream that ends is connected again by the browser; one that is refused is not.
      const refused = source.readyState === EventSource.CLOSED;
      if (refused) again = setTimeout(listen, 10_000);
      if (refused || ++failed > 1) show(false);
    });
  }

  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", stop);
  listen();
}

// A part of a page that htmx exchanges by itself (`hx-boost`) is another state of that page only: what leads to another page is opened
// as any link is, and what was refused is shown whole, for neither has such a part.
document.addEventListener("htmx:beforeRequest", (event) => {
  const { boosted, requestConfig, pathInfo } = event.detail;
  const to = new URL(pathInfo.finalRequestPath, location.href);
  if (!boosted || requestConfig.verb !== "get" || to.pathname === location.pathname) return;
  event.preventDefault();
  to.hash = pathInfo.anchor ?? "";
  location.assign(to);
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const { boosted, requestConfig, xhr } = event.detail;
  if (!boosted || xhr.status < 400) return;
  if (requestConfig.verb === "get") {
    event.preventDefault();
    location.assign(xhr.responseURL);
    return;
  }
  Object.assign(event.detail, {
    shouldSwap: true, target: document.querySelector("main"), selectOverride: "main", swapOverride: "outerHTML",
  });
});

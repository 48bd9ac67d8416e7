// Checks files before they are sent: those that the server would refuse get an error message at once.

(() => {
  const STEPS = { "support-file": "mark", "mask-file": "mark", "query-files": "segment" };
  const checked = new WeakSet(); // events whose files were checked

  function uploadOf(event) {
    const area = event.target.closest?.(Object.keys(STEPS).map((id) => `#${id}`).join(","));
    const files = event.type === "drop" ? event.dataTransfer?.files : event.target.files;
    return area && files?.length ? { area, files: [...files] } : null;
  }

  function showRefusal(area, text) {
    document.getElementById(`${STEPS[area.id]}-refusal`).textContent = text;
  }

  function countPixels(file) {
    return new Promise((resolve, reject) => {
      const image = new Image();
      const address = URL.createObjectURL(file);
      image.onload = () => resolve(image.naturalWidth * image.naturalHeight);
      image.onerror = reject;
      image.src = address;
    });
  }

  async function findRefusal(area, files) {
    if (area.id === "query-files" && files.length > LIMITS.images) {
      return `${files.length} images are too many for the page, which takes ${LIMITS.images} at a time; for a whole folder, download the classes and use cdpnet label.`;
    }
    for (const file of files) {
      const ending = (file.name.match(/\.[^.]+$/) || [""])[0].toLowerCase();
      if (!LIMITS.endings.includes(ending)) {
        return `${file.name} is not an image that can be read; JPEG, PNG, WebP, TIFF and BMP are.`;
      }
      if (file.size > LIMITS.megabytes * 1e6) {
        return `${file.name} is larger than ${LIMITS.megabytes} MB; scale it down first.`;
      }
      if (ending.startsWith(".tif")) continue; // browsers cannot decode it; the server checks it
      try {
        const pixels = await countPixels(file);
        if (pixels > LIMITS.megapixels * 1e6) {
          return `${file.name} has ${(pixels / 1e6).toFixed(1)} million pixels; at most ${LIMITS.megapixels} million are read, so scale it down first.`;
        }
      } catch {
        return `${file.name} is not an image that can be read; JPEG, PNG, WebP, TIFF and BMP are.`;
      }
    }
    return "";
  }

  function copyEvent(event, files) {
    const transfer = new DataTransfer();
    files.forEach((file) => transfer.items.add(file));
    if (event.type === "drop") {
      return new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer });
    }
    event.target.files = transfer.files;
    return new Event("change", { bubbles: true });
  }

  async function check(event) {
    const upload = checked.has(event) ? null : uploadOf(event);
    if (!upload) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    const target = event.target;
    const text = await findRefusal(upload.area, upload.files);
    showRefusal(upload.area, text);
    if (text) {
      if (event.type === "change") target.value = "";
      return;
    }
    const next = copyEvent(event, upload.files);
    checked.add(next);
    target.dispatchEvent(next);
  }

  // A click in a step removes its error message.
  document.addEventListener("click", (event) => {
    const refusal = event.isTrusted && event.target.closest?.(".step")?.querySelector("[id$=-refusal]");
    if (refusal) refusal.textContent = "";
  });
  document.addEventListener("change", check, true);
  document.addEventListener("drop", check, true);
})();

// The accessible name of an image button is the caption of its image instead of its number.
new MutationObserver(() => {
  document.querySelectorAll(".thumbnail-item img[alt]").forEach((image) => {
    const button = image.closest("button");
    if (button.getAttribute("aria-label") !== image.alt) button.setAttribute("aria-label", image.alt);
  });
}).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["alt", "aria-label"] });

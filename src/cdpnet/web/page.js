// Looks at files before they are sent: what the page would refuse is said at once, and the rest goes its way.

(() => {
  const STEPS = { "teach-file": "teach", "mask-file": "teach", "look-files": "look" };
  const passed = new WeakSet(); // events that were looked at and sent on

  function areaOf(event) {
    const area = event.target.closest?.(Object.keys(STEPS).map((id) => `#${id}`).join(","));
    const files = event.type === "drop" ? event.dataTransfer?.files : event.target.files;
    return area && files?.length ? { area, files: [...files] } : null;
  }

  function say(area, text) {
    document.getElementById(`${STEPS[area.id]}-refusal`).textContent = text;
  }

  function sizeOf(file) {
    return new Promise((resolve, reject) => {
      const image = new Image();
      const address = URL.createObjectURL(file);
      image.onload = () => resolve(image.naturalWidth * image.naturalHeight);
      image.onerror = reject;
      image.src = address;
    });
  }

  async function refusal(area, files) {
    if (area.id === "look-files" && files.length > LIMITS.images) {
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
      if (ending.startsWith(".tif")) continue; // browsers do not read it; the server looks at it
      try {
        const pixels = await sizeOf(file);
        if (pixels > LIMITS.megapixels * 1e6) {
          return `${file.name} has ${(pixels / 1e6).toFixed(1)} million pixels; at most ${LIMITS.megapixels} million are read, so scale it down first.`;
        }
      } catch {
        return `${file.name} is not an image that can be read; JPEG, PNG, WebP, TIFF and BMP are.`;
      }
    }
    return "";
  }

  function again(event, files) {
    const held = new DataTransfer();
    files.forEach((file) => held.items.add(file));
    if (event.type === "drop") {
      return new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: held });
    }
    event.target.files = held.files;
    return new Event("change", { bubbles: true });
  }

  async function look(event) {
    const found = passed.has(event) ? null : areaOf(event);
    if (!found) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    const target = event.target;
    const text = await refusal(found.area, found.files);
    say(found.area, text);
    if (text) {
      if (event.type === "change") target.value = "";
      return;
    }
    const next = again(event, found.files);
    passed.add(next);
    target.dispatchEvent(next);
  }

  // What was refused is history once something else of its step is used.
  document.addEventListener("click", (event) => {
    const refusal = event.isTrusted && event.target.closest?.(".step")?.querySelector("[id$=-refusal]");
    if (refusal) refusal.textContent = "";
  });
  document.addEventListener("change", look, true);
  document.addEventListener("drop", look, true);
})();

// An image's button is called by what the image shows, not by its number.
new MutationObserver(() => {
  document.querySelectorAll(".thumbnail-item img[alt]").forEach((image) => {
    const button = image.closest("button");
    if (button.getAttribute("aria-label") !== image.alt) button.setAttribute("aria-label", image.alt);
  });
}).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["alt", "aria-label"] });

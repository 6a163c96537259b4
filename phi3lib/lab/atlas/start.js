// What an exported page begins with: it unpacks the data and the explorer's script, which it puts on the page.

(async () => {
  const place = document.getElementById("atlas"), listeners = {};
  if (!window.DecompressionStream) {
    place.textContent = "This page needs a browser of 2023 or later.";
    return;
  }
  const values = JSON.parse(document.getElementById("data").textContent);
  const order = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;.=>?@^_`{|}~";
  const digits = new Uint8Array(128).fill(84);
  for (let n = 0; n < order.length; n++) digits[order.charCodeAt(n)] = n;
  // Four bytes in five digits, the first one the greatest.
  const dense = (packed) => {
    const words = new DataView(new ArrayBuffer(4 * Math.ceil(packed.length / 5)));
    for (let at = 0; at < packed.length; at += 5) {
      let word = 0;
      for (let n = at; n < at + 5; n++) word = 85 * word + (n < packed.length ? digits[packed.charCodeAt(n)] : 84);
      words.setUint32((4 * at) / 5, word);
    }
    return new Uint8Array(words.buffer, 0, Math.floor((4 * packed.length) / 5));
  };
  const unpack = async (packed) => {
    const stream = new Blob([dense(packed)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  const text = async (packed) => new TextDecoder().decode(await unpack(packed));
  const bytes = ["places", "components", "near", "cosines", "shares", "shade", "slots", "vectors"];
  for (const name of bytes) if (values[name]) values[name] = await unpack(values[name]);
  if (values.plain) Object.assign(values, JSON.parse(await text(values.plain)));
  const script = document.createElement("script");
  script.textContent = await text(values.code);
  document.head.append(script);
  for (const name of ["places", "components", "slots", ...(values.spec.count > 65535 ? [] : ["near"])]) {
    const half = values[name].length / 2, pair = (_, n) => values[name][(n % 2) * half + (n >> 1)];
    values[name] = Uint8Array.from(values[name], pair);
  }
  // A stand-in for the notebook's model: it holds the same values and has no one to send them to.
  const model = {
    alone: true,
    get: (name) => values[name],
    set: (name, value) => { values[name] = value; (listeners["change:" + name] || []).forEach((f) => f()); },
    save_changes: () => {},
    send: () => {},
    on: (name, f) => { (listeners[name] = listeners[name] || []).push(f); },
    off: () => {},
  };
  atlas.render({ model, el: place });
})();

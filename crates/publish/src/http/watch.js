"use strict";
const player = document.getElementById("player");
const playlist = new URL(player.dataset.playlist, location.href).href;
if (player.canPlayType("application/vnd.apple.mpegurl")) {
  player.src = playlist;
  player.play().catch(() => {}); // The viewer presses play where the browser wants that.
} else {
  document.getElementById("address").textContent = playlist;
  document.getElementById("other").hidden = false;
}

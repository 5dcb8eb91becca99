// Runs before the first paint, so that a dark page never flashes white. A file of its own: the policy
// allows no inline scripts.
(function () {
  var kept = {};
  try {
    kept = JSON.parse(localStorage.getItem('hearth.look') || '{}');
  } catch (e) {
    // A damaged entry counts as none.
  }
  var root = document.documentElement;
  if (kept.theme === 'light' || kept.theme === 'dark') root.dataset.theme = kept.theme;
  if (kept.size) root.dataset.size = kept.size;
  if (kept.width) root.dataset.width = kept.width;
})();

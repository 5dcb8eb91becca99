// Notes at the lower edge of the page stand above what is docked there.
export function dock(node: HTMLElement): { destroy: () => void } {
  const root = document.documentElement.style;
  const observer = new ResizeObserver(() => root.setProperty('--dock', `${node.offsetHeight}px`));
  observer.observe(node);
  return {
    destroy: () => {
      observer.disconnect();
      root.removeProperty('--dock');
    },
  };
}

// What the browser remembers for its user: the author and the theme; the token only until the tab is
// closed. A browser that forbids it remembers nothing, and that is all.

export type Theme = "system" | "light" | "dark";

function read(storage: () => Storage, name: string): string {
  try {
    return storage().getItem(name) ?? "";
  } catch {
    return "";
  }
}

function write(storage: () => Storage, name: string, value: string): void {
  try {
    if (value === "") storage().removeItem(name);
    else storage().setItem(name, value);
  } catch {
    // See above.
  }
}

const local = (): Storage => localStorage;
const session = (): Storage => sessionStorage;

export const settings = {
  author: (): string => read(local, "evenkeel.author"),
  setAuthor: (author: string): void => write(local, "evenkeel.author", author),
  token: (): string => read(session, "evenkeel.token"),
  setToken: (token: string): void => write(session, "evenkeel.token", token),
  theme: (): Theme => {
    const known = read(local, "evenkeel.theme");
    return known === "light" || known === "dark" ? known : "system";
  },
  setTheme: (theme: Theme): void => write(local, "evenkeel.theme", theme === "system" ? "" : theme),
};

/** Shows the page in this theme; charts look up their colours when told. */
export function applyTheme(theme: Theme): void {
  if (theme === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", theme);
  window.dispatchEvent(new Event("theme"));
}

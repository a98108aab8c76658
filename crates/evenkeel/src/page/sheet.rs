//! How the page looks, in light and in dark.

pub(super) const SHEET: &str = "
:root{color-scheme:light dark;--page:#fafaf8;--card:#fff;--ink:#1c2024;--soft:#5d666f;--rule:#dfe3e6;
--offered:#8a939b;--first:#0b67c2;--second:#b25a00;--third:#b3261e}
@media(prefers-color-scheme:dark){:root{--page:#14171a;--card:#1b1f23;--ink:#e7eaed;--soft:#9aa4ae;
--rule:#31373d;--offered:#76808a;--first:#6db3f8;--second:#f0a45b;--third:#f28b82}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:76rem;margin:0 auto;padding:2rem 1rem 3rem}
h1{font-size:1.5rem;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2.2rem 0 .8rem}
.subtitle,footer,dt,summary{color:var(--soft)}
.subtitle{margin:.3rem 0 1.5rem}
dl{display:flex;flex-wrap:wrap;gap:.8rem;margin:0}
dl div{background:var(--card);border:1px solid var(--rule);border-radius:.5rem;padding:.6rem 1rem;flex:1 1 9rem;display:flex;flex-direction:column;justify-content:space-between}
dt{font-size:.85rem}
dd{margin:0;font-size:1.35rem;font-variant-numeric:tabular-nums;white-space:nowrap}
.remark{border-left:4px solid var(--second);background:var(--card);padding:.6rem 1rem;margin:1rem 0}
.charts{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,23rem),1fr))}
figure{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:.5rem;padding:.8rem}
figcaption{display:flex;flex-wrap:wrap;gap:.1rem .9rem;align-items:baseline}
figcaption b{font-weight:600;margin-right:auto}
figcaption span{font-size:.85rem;color:var(--soft);white-space:nowrap}
figcaption i{display:inline-block;width:1.1rem;border-top:3px solid;vertical-align:.25rem;margin-right:.35rem}
figcaption i.dashed{border-top-style:dashed}
svg{display:block;width:100%;height:auto;margin-top:.4rem}
svg text{fill:var(--soft);font:11px system-ui,sans-serif}
svg .grid{stroke:var(--rule)}
svg .mark{stroke:var(--soft);stroke-dasharray:2 4}
svg .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke:currentColor}
svg .line.dashed{stroke-dasharray:6 4;stroke-width:1.5}
svg circle{fill:currentColor}
.offered{color:var(--offered)}.first{color:var(--first)}.second{color:var(--second)}.third{color:var(--third)}
details{margin-top:.8rem}
summary{cursor:pointer}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem;margin-top:.5rem}
th,td{text-align:right;padding:.2rem .7rem;border-bottom:1px solid var(--rule);white-space:nowrap}
th:first-child,td:first-child{padding-left:0}
.sides th,.sides td{text-align:left}
footer{margin-top:2.5rem;font-size:.85rem}
";

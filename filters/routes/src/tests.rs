mod entries;
mod hosts;
mod index;

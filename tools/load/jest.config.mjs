import { project } from '../../jest.preset.mjs';

export default project('load', import.meta.dirname);

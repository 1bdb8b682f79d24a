namespace Dma.Machine;

/// <summary>A window of registers: storage, partial and wide accesses, and one place for what a write sets off.</summary>
/// <remarks>
/// An access of any width becomes operations on whole registers: each register that it touches is read or
/// written once, with a mask of the bytes that the access covers. Offsets that no register covers read as
/// zero and ignore writes. An access that leaves the window reads all ones and writes nothing, as on a bus
/// where nobody answers.
/// </remarks>
public sealed class RegisterFile
{
    private const short Hole = -1;

    private readonly Register[] _registers;
    private readonly ulong[] _values;
    private readonly short[] _indexAt;

    /// <summary>A window with these registers, all at their reset values.</summary>
    /// <param name="length">Bytes in the window.</param>
    /// <param name="registers">The registers; they must not overlap nor leave the window.</param>
    public RegisterFile(int length, IReadOnlyList<Register> registers)
    {
        _registers = [.. registers];
        _values = new ulong[_registers.Length];
        _indexAt = new short[length];
        Array.Fill(_indexAt, Hole);
        for (short index = 0; index < _registers.Length; index++)
        {
            Register register = _registers[index];
            if (register.Width is not (1 or 2 or 4 or 8) || register.Offset % register.Width != 0)
                throw new ArgumentException($"{register.Name} is not naturally aligned.");
            for (int offset = register.Offset; offset < register.Offset + register.Width; offset++)
            {
                if (_indexAt[offset] != Hole)
                    throw new ArgumentException($"{register.Name} lies over {_registers[_indexAt[offset]].Name}.");
                _indexAt[offset] = index;
            }
        }

        Reset();
    }

    /// <summary>Bytes in the window.</summary>
    public int Length => _indexAt.Length;

    /// <summary>The registers, as declared.</summary>
    public IReadOnlyList<Register> Registers => _registers;

    /// <summary>What hardware itself reads or puts into the register at an offset, past all masks.</summary>
    /// <param name="offset">The offset at which the register was declared.</param>
    public ulong this[int offset]
    {
        get => _values[IndexOf(offset)];
        set => _values[IndexOf(offset)] = value;
    }

    /// <summary>Puts every register to its reset value.</summary>
    public void Reset()
    {
        for (int index = 0; index < _registers.Length; index++)
            _values[index] = _registers[index].Rule.Reset;
    }

    /// <summary>A read by software.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="width">1, 2, 4 or 8 bytes.</param>
    public ulong Read(int offset, int width)
    {
        if (!Contains(offset, width))
            return AllOnes(width);
        ulong result = 0;
        for (int done = 0; done < width;)
        {
            if (!Next(offset, width, done, out int index, out int inRegister, out int count))
            {
                done++;
                continue;
            }

            ulong value = _registers[index].Rule.Read(_values[index]);
            result |= (value >> (8 * inRegister) & AllOnes(count)) << (8 * done);
            done += count;
        }

        return result;
    }

    /// <summary>A write by software: masks are applied register by register, and each register's effect follows at once.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="width">1, 2, 4 or 8 bytes.</param>
    /// <param name="value">What is written; bits above the width are ignored.</param>
    /// <param name="effects">What the device does about it; may be null.</param>
    public void Write(int offset, int width, ulong value, IRegisterEffects? effects = null)
    {
        if (!Contains(offset, width))
            return;
        for (int done = 0; done < width;)
        {
            if (!Next(offset, width, done, out int index, out int inRegister, out int count))
            {
                done++;
                continue;
            }

            ulong enabled = AllOnes(count) << (8 * inRegister);
            ulong written = (value >> (8 * done) << (8 * inRegister)) & enabled;
            ulong before = _values[index];
            _values[index] = _registers[index].Rule.Write(before, written, enabled);
            effects?.Written(new(_registers[index].Offset, before, _values[index], written, enabled));
            done += count;
        }
    }

    /// <summary>What a read of this width gives where nobody answers.</summary>
    public static ulong AllOnes(int width) => width >= 8 ? ulong.MaxValue : (1ul << (8 * width)) - 1;

    private bool Contains(int offset, int width) => offset >= 0 && width is > 0 and <= 8 && offset <= Length - width;

    // The piece of an access that starts `done` bytes into it: which register, where in it, how many bytes.
    private bool Next(int offset, int width, int done, out int index, out int inRegister, out int count)
    {
        index = _indexAt[offset + done];
        if (index == Hole)
        {
            (inRegister, count) = (0, 0);
            return false;
        }

        inRegister = offset + done - _registers[index].Offset;
        count = Math.Min(_registers[index].Width - inRegister, width - done);
        return true;
    }

    private int IndexOf(int offset)
    {
        int index = _indexAt[offset];
        return index != Hole && _registers[index].Offset == offset
            ? index
            : throw new ArgumentOutOfRangeException(nameof(offset), $"No register begins at {offset:X}h.");
    }
}

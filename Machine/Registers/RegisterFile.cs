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
    private const int Hole = -1;

    // Of both, the first _count; those that are known at once need no room for more.
    private Register[] _registers;
    private ulong[] _values;
    private int _count;

    // For each byte the register that covers it; only as long as the last register reaches.
    private int[] _indexAt;

    /// <summary>A window with these registers, all at their reset values.</summary>
    /// <param name="length">Bytes in the window.</param>
    /// <param name="registers">The registers; they must not overlap nor leave the window.</param>
    public RegisterFile(int length, IReadOnlyCollection<Register> registers)
    {
        Length = length;
        _indexAt = new int[registers.Count == 0 ? 0 : registers.Max(register => register.Offset + register.Width)];
        Array.Fill(_indexAt, Hole);
        _registers = new Register[registers.Count];
        _values = new ulong[registers.Count];
        foreach (Register register in registers)
            Add(register);
    }

    /// <summary>Bytes in the window.</summary>
    public int Length { get; }

    /// <summary>The registers, as declared.</summary>
    public IReadOnlyList<Register> Registers => new ArraySegment<Register>(_registers, 0, _count);

    /// <summary>What hardware itself reads or puts into the register at an offset, past all masks.</summary>
    /// <param name="offset">The offset at which the register was declared.</param>
    public ulong this[int offset]
    {
        get => _values[IndexOf(offset)];
        set => _values[IndexOf(offset)] = value;
    }

    /// <summary>Declares one more register, at its reset value.</summary>
    /// <exception cref="ArgumentException">It leaves the window, lies over another one, or its rule does not fit its width.</exception>
    public void Add(in Register register)
    {
        if (register.Width is not (1 or 2 or 4 or 8) || register.Offset % register.Width != 0)
            throw new ArgumentException($"{register.Name} is not naturally aligned.");
        if (register.Offset < 0 || register.Offset > Length - register.Width)
            throw new ArgumentException($"{register.Name} leaves the window.");
        CheckRule(register, register.Rule);
        for (int offset = register.Offset; offset < register.Offset + register.Width; offset++)
        {
            if (Covers(offset))
                throw new ArgumentException($"{register.Name} lies over {_registers[_indexAt[offset]].Name}.");
        }

        int reach = _indexAt.Length;
        if (register.Offset + register.Width > reach)
        {
            Array.Resize(ref _indexAt, register.Offset + register.Width);
            _indexAt.AsSpan(reach).Fill(Hole);
        }

        _indexAt.AsSpan(register.Offset, register.Width).Fill(_count);
        if (_count == _registers.Length)
        {
            int room = Math.Max(8, 2 * _count);
            Array.Resize(ref _registers, room);
            Array.Resize(ref _values, room);
        }

        _registers[_count] = register;
        _values[_count++] = register.Rule.Reset;
    }

    /// <summary>Gives a register another rule and that rule's reset value, as hardware does while it is put together.</summary>
    /// <param name="offset">The offset at which the register was declared.</param>
    /// <param name="rule">How it answers from now on.</param>
    public void Redefine(int offset, RegisterRule rule)
    {
        int index = IndexOf(offset);
        CheckRule(_registers[index], rule);
        _registers[index] = _registers[index] with { Rule = rule };
        _values[index] = rule.Reset;
    }

    /// <summary>Whether a register covers the byte at an offset.</summary>
    public bool Covers(int offset) => (uint)offset < (uint)_indexAt.Length && _indexAt[offset] != Hole;

    /// <summary>Puts every register to its reset value.</summary>
    /// <param name="warm">Whether the bits that survive a warm reset stay as they are.</param>
    public void Reset(bool warm = false)
    {
        for (int index = 0; index < _count; index++)
        {
            RegisterRule rule = _registers[index].Rule;
            ulong kept = warm ? rule.Kept : 0;
            _values[index] = (_values[index] & kept) | (rule.Reset & ~kept);
        }
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
        int at = offset + done;
        index = at < _indexAt.Length ? _indexAt[at] : Hole;
        if (index == Hole)
        {
            (inRegister, count) = (0, 0);
            return false;
        }

        inRegister = at - _registers[index].Offset;
        count = Math.Min(_registers[index].Width - inRegister, width - done);
        return true;
    }

    private int IndexOf(int offset) =>
        Covers(offset) && _registers[_indexAt[offset]].Offset == offset
            ? _indexAt[offset]
            : throw new ArgumentOutOfRangeException(nameof(offset), $"No register begins at {offset:X}h.");

    private static void CheckRule(in Register register, RegisterRule rule)
    {
        if (((rule.Reset | rule.Writable | rule.ClearOnOne | rule.Unreadable | rule.Kept) & ~AllOnes(register.Width)) != 0)
            throw new ArgumentException($"{register.Name} has a rule for bits that it does not have.");
        if ((rule.Writable & rule.ClearOnOne) != 0)
            throw new ArgumentException($"{register.Name} has bits that both take and clear what is written.");
    }
}

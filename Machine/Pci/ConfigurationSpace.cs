namespace Dma.Machine;

/// <summary>The configuration space of one PCI function: 256 bytes, or 4096 with PCI Express.</summary>
/// <remarks>
/// An access outside the space reads all ones and writes nothing; inside it, bytes that no register covers read
/// as zero. What a write sets off is done by the function before the write returns.
/// </remarks>
public sealed class ConfigurationSpace
{
    private readonly RegisterFile _registers = new(PciOffset.End, []);
    private readonly IRegisterEffects _effects;

    internal ConfigurationSpace(IEnumerable<Register> header, IRegisterEffects effects)
    {
        _effects = effects;
        foreach (Register register in header)
            _registers.Add(register);
    }

    /// <summary>Bytes in the space, 256 or 4096.</summary>
    public int Length { get; internal set; } = PciOffset.Extended;

    /// <summary>The registers that there are, in the order in which they were declared.</summary>
    public IReadOnlyList<Register> Registers => _registers.Registers;

    /// <summary>What the hardware itself holds in the register at an offset, past all masks.</summary>
    /// <param name="offset">The offset at which the register was declared.</param>
    public ulong this[int offset]
    {
        get => _registers[offset];
        internal set => _registers[offset] = value;
    }

    /// <summary>A read by software of 1, 2 or 4 bytes.</summary>
    public uint Read(int offset, int width) =>
        (uint)(Contains(offset, width) ? _registers.Read(offset, width) : RegisterFile.AllOnes(width));

    /// <summary>A write by software of 1, 2 or 4 bytes.</summary>
    public void Write(int offset, int width, uint value)
    {
        if (Contains(offset, width))
            _registers.Write(offset, width, value, _effects);
    }

    internal void Add(in Register register) => _registers.Add(register);

    internal void Redefine(int offset, RegisterRule rule) => _registers.Redefine(offset, rule);

    internal void Reset(bool warm) => _registers.Reset(warm);

    internal bool Covers(int offset) => _registers.Covers(offset);

    private bool Contains(int offset, int width) => offset >= 0 && width is 1 or 2 or 4 && offset <= Length - width;
}

using Dma.Machine;

namespace Dma.Hal;

/// <summary>A window of device registers in the address space of a processor.</summary>
/// <param name="cpu">The processor.</param>
/// <param name="address">The first byte.</param>
/// <param name="length">Bytes.</param>
public sealed class RegisterWindow(ICpu cpu, GuestPhysicalAddress address, ulong length) : IRegisterWindow
{
    /// <summary>The first byte, as the processor sees it.</summary>
    public GuestPhysicalAddress Address => address;

    /// <inheritdoc/>
    public ulong Length => length;

    /// <inheritdoc/>
    public ulong Read(int offset, int width)
    {
        Check(width);
        return IsInside(offset, width) ? cpu.LoadRegister(address + (ulong)offset, width) : RegisterFile.AllOnes(width);
    }

    /// <inheritdoc/>
    public void Write(int offset, int width, ulong value)
    {
        Check(width);
        if (IsInside(offset, width))
            cpu.StoreRegister(address + (ulong)offset, width, value);
    }

    private static void Check(int width)
    {
        if (width is not (1 or 2 or 4 or 8))
            throw new ArgumentOutOfRangeException(nameof(width), "Registers are accessed by 1, 2, 4 or 8 bytes.");
    }

    private bool IsInside(int offset, int width) => offset >= 0 && (ulong)width <= length && (ulong)offset <= length - (ulong)width;
}

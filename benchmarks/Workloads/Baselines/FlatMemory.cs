using System.Runtime.InteropServices;
using Dma.Machine;

namespace Dma.Workloads;

/// <summary>One plain native buffer, for the baselines.</summary>
internal sealed unsafe class FlatMemory : IDisposable
{
    private readonly void* _pointer;

    /// <summary>A buffer of anything.</summary>
    /// <param name="length">Bytes.</param>
    public FlatMemory(int length)
    {
        _pointer = NativeMemory.AlignedAlloc((nuint)length, 4096);
        Length = length;
    }

    /// <summary>A copy of the first bytes of a simulated memory.</summary>
    /// <param name="memory">What is copied.</param>
    /// <param name="length">Bytes, from address 0.</param>
    public FlatMemory(PhysicalMemory memory, int length)
        : this(length)
    {
        if (!memory.TryRead(new PhysicalAddress(0), Bytes(0, length)))
            throw new ArgumentException($"The memory has no {length} bytes from address 0.", nameof(memory));
    }

    /// <summary>The first byte.</summary>
    public byte* Pointer => (byte*)_pointer;

    /// <summary>Bytes.</summary>
    public int Length { get; }

    /// <summary>A part of the buffer.</summary>
    public Span<byte> Bytes(int start, int length) => new Span<byte>(_pointer, Length).Slice(start, length);

    public void Dispose() => NativeMemory.AlignedFree(_pointer);
}

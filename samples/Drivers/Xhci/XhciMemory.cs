using System.Runtime.CompilerServices;
using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The memory that driver and controller share: rings, contexts, the tables that lead to them.</summary>
/// <param name="dma">Where it comes from.</param>
/// <param name="addresses64Bit">Whether the controller forms addresses of 4 GiB and more.</param>
internal sealed class XhciMemory(IDmaSpace dma, bool addresses64Bit)
{
    private readonly List<CoherentBuffer> _buffers = [];

    /// <summary>Whether the controller can form all addresses of a buffer.</summary>
    public bool CanReach(DmaMapping data) => addresses64Bit || data.DeviceAddress.Value + (ulong)data.Length <= 1ul << 32;

    /// <summary>Gets zeroed memory that begins at a page.</summary>
    /// <exception cref="DriverException">There is none that the controller can reach.</exception>
    public async ValueTask<CoherentBuffer> Allocate(int bytes)
    {
        CoherentBuffer buffer;
        try
        {
            buffer = await dma.AllocateCoherent(bytes);
        }
        catch (InvalidOperationException refusal)
        {
            throw new DriverException(DriverFailure.DmaRefused, $"No memory for the controller: {refusal.Message}");
        }

        if (CanReach(buffer.Mapping))
        {
            _buffers.Add(buffer);
            return buffer;
        }

        (await dma.FreeCoherent(buffer)).Require("free memory of the controller");
        throw new DriverException(DriverFailure.DmaRefused, "Memory got an address that the controller cannot form.");
    }

    /// <summary>Gives memory back that the controller does not use any more.</summary>
    public async ValueTask Free(CoherentBuffer buffer)
    {
        if (_buffers.Remove(buffer))
            (await dma.FreeCoherent(buffer)).Require("free memory of the controller");
    }

    /// <summary>Gives all memory back; the controller must have stopped before.</summary>
    public async ValueTask FreeAll()
    {
        while (_buffers.Count != 0)
            await Free(_buffers[^1]);
    }
}

/// <summary>Structures in shared memory.</summary>
internal static class CoherentStructures
{
    extension(CoherentBuffer buffer)
    {
        /// <summary>The device address of the first byte.</summary>
        public ulong Address => buffer.Mapping.DeviceAddress.Value;

        /// <summary>Reads a structure.</summary>
        public T Read<T>(int offset)
            where T : unmanaged
        {
            Span<byte> bytes = stackalloc byte[Unsafe.SizeOf<T>()];
            buffer.Memory.Read(offset, bytes);
            return Packed.Read<T>(bytes);
        }

        /// <summary>Writes a structure.</summary>
        public void Write<T>(int offset, in T value)
            where T : unmanaged
        {
            Span<byte> bytes = stackalloc byte[Unsafe.SizeOf<T>()];
            Packed.Write(value, bytes);
            buffer.Memory.Write(offset, bytes);
        }
    }
}

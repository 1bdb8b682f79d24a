using System.Numerics;
using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The rings of the streams of one endpoint, and the array by which the controller finds them.</summary>
internal sealed class XhciStreams
{
    private readonly CoherentBuffer _array;
    private readonly XhciRing[] _rings;

    private XhciStreams(CoherentBuffer array, XhciRing[] rings) => (_array, _rings) = (array, rings);

    /// <summary>How many there are.</summary>
    public int Count => _rings.Length;

    /// <summary>MaxPStreams of the endpoint context: the array has 2^(n + 1) entries.</summary>
    public int SizeCode => BitOperations.Log2((uint)Count + 1) - 1;

    /// <summary>Where the array is for the controller.</summary>
    public ulong Array => _array.Address;

    /// <summary>The ring of a stream, from 1.</summary>
    public XhciRing this[int stream] => _rings[stream - 1];

    /// <summary>Empty rings, and an array whose entry 0 stays empty.</summary>
    /// <param name="memory">Where they come from.</param>
    /// <param name="sizeCode">The array has 2^(n + 1) entries, 1 to 15.</param>
    /// <exception cref="DriverException">There is no memory for them.</exception>
    public static async ValueTask<XhciStreams> Allocate(XhciMemory memory, int sizeCode)
    {
        int entries = 2 << sizeCode;
        CoherentBuffer array = await memory.Allocate(entries * StreamContext.Size);
        XhciRing[] rings = new XhciRing[entries - 1];
        for (int index = 0; index < rings.Length; index++)
        {
            rings[index] = await XhciRing.Allocate(memory);
            array.Write(
                (index + 1) * StreamContext.Size,
                new StreamContext { Type = StreamContextType.PrimaryRing, Dequeue = rings[index].Next, CycleState = rings[index].Cycle });
        }

        return new(array, rings);
    }

    /// <summary>Gives all memory back; the controller must not use it any more.</summary>
    public async ValueTask Free(XhciMemory memory)
    {
        foreach (XhciRing ring in _rings)
            await memory.Free(ring.Buffer);
        await memory.Free(_array);
    }
}

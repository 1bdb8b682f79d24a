using System.Security.Cryptography;
using Dma.Drivers;
using Dma.Hal;

namespace Dma.Lab;

/// <summary>The work of a guest that is the same under each policy: transfers between a disk and buffers that are used in turns.</summary>
/// <remarks>Drivers and work know the DMA API alone, and not which policy stands behind it.</remarks>
internal sealed class PolicyWork
{
    private readonly PolicyComparisonOptions _options;
    private readonly byte[] _disk;
    private readonly byte[] _memory;

    /// <summary>Work on a disk of its own.</summary>
    /// <param name="options">How much.</param>
    /// <param name="random">What bytes come from.</param>
    public PolicyWork(PolicyComparisonOptions options, Random random)
    {
        _options = options;
        _disk = new byte[options.Transfers * options.TransferBytes];
        _memory = new byte[_disk.Length];
        random.NextBytes(_disk);
        random.NextBytes(_memory);
        Content = [.. _disk];
    }

    /// <summary>The bytes of the disk, which writes change.</summary>
    public byte[] Content { get; }

    /// <summary>The checksum of all that the guest has read and the disk has been given.</summary>
    public string Sha256 { get; private set; } = "";

    /// <summary>Whether every transfer brought what it should.</summary>
    public bool IsWhole { get; private set; } = true;

    /// <summary>Does all of it, once.</summary>
    /// <param name="disk">The guest's driver of the disk.</param>
    /// <param name="dma">Where buffers come from.</param>
    public async ValueTask Run(MassStorageDriver disk, IDmaSpace dma)
    {
        MemoryBuffer[] buffers = [.. Enumerable.Range(0, _options.Buffers).Select(_ => dma.Allocate(_options.TransferBytes))];
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] bytes = new byte[_options.TransferBytes];
        for (int transfer = 0; transfer < _options.Transfers; transfer++)
        {
            MemoryBuffer buffer = buffers[transfer % buffers.Length];
            int at = transfer * bytes.Length;
            ulong block = (ulong)(at / disk.BlockBytes);
            bool isWrite = _options.Work == PolicyWorkKind.Write || (_options.Work == PolicyWorkKind.Mixed && transfer % 2 != 0);
            if (isWrite)
            {
                buffer.Write(0, _memory.AsSpan(at, bytes.Length));
                await disk.Write(block, buffer);
            }
            else
            {
                await disk.Read(block, buffer);
                buffer.Read(0, bytes);
                hash.AppendData(bytes);
                IsWhole &= bytes.AsSpan().SequenceEqual(_disk.AsSpan(at, bytes.Length));
            }

            byte[] expected = isWrite ? _memory : _disk;
            IsWhole &= Content.AsSpan(at, bytes.Length).SequenceEqual(expected.AsSpan(at, bytes.Length));
        }

        foreach (MemoryBuffer buffer in buffers)
            _ = dma.Free(buffer);
        hash.AppendData(Content);
        Sha256 = Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Goes on reading into one buffer until somebody says that it is enough.</summary>
    /// <param name="disk">The guest's driver of the disk.</param>
    /// <param name="dma">Where the buffer comes from.</param>
    /// <param name="isEnough">Asked after each transfer.</param>
    public async Task GoOn(MassStorageDriver disk, IDmaSpace dma, Func<bool> isEnough)
    {
        MemoryBuffer buffer = dma.Allocate(_options.TransferBytes);
        for (int transfer = 0; !isEnough(); transfer = (transfer + 1) % _options.Transfers)
            await disk.Read((ulong)(transfer * (_options.TransferBytes / disk.BlockBytes)), buffer);
        _ = dma.Free(buffer);
    }
}

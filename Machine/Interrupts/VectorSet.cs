using System.Numerics;

namespace Dma.Machine;

/// <summary>A set of interrupt vectors that changes, 0 to 255.</summary>
public sealed class VectorSet
{
    private readonly ulong[] _words = new ulong[4];

    /// <summary>The highest vector, which goes first; -1 where there is none.</summary>
    public int Highest
    {
        get
        {
            for (int word = _words.Length - 1; word >= 0; word--)
            {
                if (_words[word] != 0)
                    return (64 * word) + BitOperations.Log2(_words[word]);
            }

            return -1;
        }
    }

    /// <summary>Whether a vector is in it.</summary>
    public bool Contains(byte vector) => (_words[vector >> 6] >> vector & 1) != 0;

    /// <summary>Puts a vector in, or takes it out.</summary>
    public void Set(byte vector, bool isIn)
    {
        if (isIn)
            _words[vector >> 6] |= 1ul << vector;
        else
            _words[vector >> 6] &= ~(1ul << vector);
    }

    /// <summary>Takes all out.</summary>
    public void Clear() => Array.Clear(_words);

    /// <summary>Vectors 32n to 32n + 31, the lowest in bit 0: as registers show them.</summary>
    /// <param name="index">n, 0 to 7.</param>
    public uint Doubleword(int index) => (uint)(_words[index >> 1] >> (32 * (index & 1)));
}
